# shellcheck shell=bash
# Modules for the guest's kernel, built against Debian's headers, which are unpacked but not installed. Sourced after
# debian-linux.sh.

# kernel_headers: fetches them if need be, and sets KERNEL_HEADERS to the directory that modules are built in.
kernel_headers() {
    local release
    need_commands apt-get apt-cache dpkg-deb make gcc
    debian_linux
    release=$(<"$DEBIAN_LINUX/release")
    KERNEL_HEADERS_ROOT=$(cache_dir)/headers-$release-$(recipe_id "${BASH_SOURCE[0]}")
    KERNEL_HEADERS=$KERNEL_HEADERS_ROOT/usr/src/linux-headers-$release
    prepare_once "$KERNEL_HEADERS_ROOT" make_kernel_headers
}

make_kernel_headers() {
    local out=$1 release=${KERNEL_HEADERS##*/linux-headers-} package
    download_kernel_headers "$out" "$release"
    for package in "$out"/*.deb; do
        dpkg-deb -x "$package" "$out"
    done
    rm "$out"/*.deb "$out"/*.log
    # It names the others by their absolute place.
    sed -i "s|/usr/src/|$KERNEL_HEADERS_ROOT&|" "$out/usr/src/linux-headers-$release/Makefile"
}

# download_kernel_headers DIR RELEASE: the headers of that kernel and the programs that a build of modules runs.
download_kernel_headers() {
    local dir=$1 name=linux-headers-$2 attempt packages
    for attempt in 1 2 3; do
        mapfile -t packages < <(apt-cache depends "$name" 2>/dev/null |
            awk '$1 == "Depends:" && $2 ~ /^linux-(headers|kbuild)-/ { print $2 }')
        if ((${#packages[@]} == 2)); then
            say "downloading $name (about 14 MB, once) ..."
            (cd "$dir" && apt-get download -q "$name" "${packages[@]}") >"$dir/apt.log" 2>&1 && return
        fi
        say "refreshing the list of packages (attempt $attempt) ..."
        as_root apt-get update -q >"$dir/update.log" 2>&1 || sleep "$((attempt * 2))"
    done
    tail -n 3 "$dir"/*.log >&2
    die "could not download $name, the headers of the kernel that guests run. Where the archive has a newer kernel by now, remove \
$DEBIAN_LINUX, so that it is fetched, too"
}

# make_kernel_module SOURCES WORK: builds the module whose Makefile is in the directory SOURCES in a copy of it, WORK.
make_kernel_module() {
    kernel_headers
    rm -rf "$2"
    cp -r "$1" "$2"
    make -C "$KERNEL_HEADERS" M="$(realpath -- "$2")" modules >"$2/log" 2>&1 || {
        tail -n 20 "$2/log" >&2
        die "the module in $1 could not be built"
    }
}
