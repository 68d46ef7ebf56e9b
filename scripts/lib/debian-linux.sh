# shellcheck shell=bash
# Debian's own kernel, unpacked but not installed: what scripts/lab and scripts/guest boot.
#
# Sourced. The including script sets `set -euo pipefail`; every function here ends the script with a
# message on stderr and status 125 when it cannot do its work.

# Every module that a lab or a guest may load; their dependencies come along.
readonly DEBIAN_LINUX_MODULES=(
    virtio_pci virtio_mmio virtio_blk virtio_net virtio_console virtio_rng virtio_balloon virtio_input
    9p 9pnet_virtio overlay ext4 crc32c_generic
    kvm_amd tun vhost_net loop
    button evdev pvpanic_mmio
)

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
    say "$@"
    exit 125
}

need_commands() {
    local name missing=()
    for name; do
        command -v "$name" >/dev/null || missing+=("$name")
    done
    ((${#missing[@]} == 0)) || die "not installed: ${missing[*]}; run scripts/setup once, then try again"
}

# cache_dir: where prepared kernels and images are kept between runs.
cache_dir() { printf '%s/plugbay/lab' "${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}"; }

# recipe_id FILE...: a short name for the content of these files.
recipe_id() { cat -- "$@" | sha256sum | cut -c1-16; }

# prepare_once DIR FUNCTION: makes DIR by running `FUNCTION NEW_DIR` and renaming NEW_DIR, so that DIR is
# either complete or absent; of several callers at once, one works and the others wait.
prepare_once() {
    local dir=$1 make=$2 new lock
    [[ -d $dir ]] && return
    mkdir -p "${dir%/*}" || die "cannot create ${dir%/*}; set XDG_CACHE_HOME to a directory that you can write"
    exec {lock}>"$dir.lock"
    flock "$lock"
    if [[ ! -d $dir ]]; then
        rm -rf "$dir".new.*
        new=$(mktemp -d "$dir.new.XXXXXX")
        chmod 755 "$new"
        # Not `"$make" ... || ...`: that would switch off `set -e` inside it.
        "$make" "$new"
        mv -T "$new" "$dir"
    fi
    exec {lock}>&-
}

# debian_linux: prepares the kernel if need be and sets DEBIAN_LINUX to its directory, which holds
#   vmlinuz    Debian's file, unmodified
#   vmlinux    the ELF image inside it
#   release    what `uname -r` says
#   modules/   NAME.ko for DEBIAN_LINUX_MODULES and what they depend on, and for each
#              NAME.order: the modules to insert for NAME, in order, NAME last
debian_linux() {
    need_commands apt-get apt-cache dpkg-deb xz
    DEBIAN_LINUX=$(cache_dir)/linux-$(recipe_id "${BASH_SOURCE[0]}")
    prepare_once "$DEBIAN_LINUX" make_debian_linux
}

make_debian_linux() {
    local out=$1 work=$1/work image tree
    mkdir "$work" "$out/modules"

    download_kernel_package "$work"
    say "unpacking the kernel ..."
    dpkg-deb -x "$work"/*.deb "$work"
    image=$(find "$work/boot" -name 'vmlinuz-*')
    tree=$work/lib/modules/${image##*/vmlinuz-}/kernel
    printf '%s\n' "${image##*/vmlinuz-}" >"$out/release"
    cp "$image" "$out/vmlinuz"
    extract_vmlinux "$image" >"$out/vmlinux"
    copy_modules "$tree" "$out/modules" "${DEBIAN_LINUX_MODULES[@]}"
    rm -r "$work"
}

# as_root COMMAND...
as_root() {
    if ((EUID == 0)); then "$@"; else sudo -n -- "$@"; fi
}

# download_kernel_package DIR: the package that the metapackage linux-image-amd64 stands for.
# (linux-image-cloud-amd64 is smaller and has no 9p.)
download_kernel_package() {
    local dir=$1 attempt package
    for attempt in 1 2 3; do
        package=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '$1 == "Depends:" { print $2; exit }')
        if [[ $package == linux-image-* ]]; then
            say "downloading $package (about 70 MB, once) ..."
            (cd "$dir" && apt-get download -q "$package") >"$dir/apt.log" 2>&1 && return
        fi
        # No list of packages, or one so old that the file is gone from the archive.
        say "refreshing the list of packages (attempt $attempt) ..."
        as_root apt-get update -q >"$dir/update.log" 2>&1 || sleep "$((attempt * 2))"
    done
    tail -n 3 "$dir"/*.log >&2
    die "could not download linux-image-amd64; check that 'apt-get update' works here, then try again"
}

# extract_vmlinux BZIMAGE: writes the ELF image that BZIMAGE unpacks when it starts. The offsets are
# those of the Linux boot protocol: setup_sects, payload_offset, payload_length.
extract_vmlinux() {
    local image=$1 sectors offset length start unpack
    sectors=$(od -An -tu1 -j $((0x1f1)) -N1 "$image")
    offset=$(od -An -tu4 -j $((0x248)) -N4 "$image")
    length=$(od -An -tu4 -j $((0x24c)) -N4 "$image")
    start=$(((sectors + 1) * 512 + offset))
    case $(od -An -tx1 -j "$start" -N4 "$image") in
        ' fd 37 7a 58') unpack=xz ;;
        ' 28 b5 2f fd') unpack=zstd ;;
        ' 02 21 4c 18') unpack=lz4 ;;
        *) die "the payload of $image is neither xz, zstd nor lz4: extract_vmlinux needs to learn its format" ;;
    esac
    # The build appends the unpacked size in 4 bytes, which is not part of the stream.
    dd if="$image" bs=1M iflag=skip_bytes,count_bytes skip="$start" count=$((length - 4)) status=none | "$unpack" -dc
}

# copy_modules TREE OUT MODULE...
copy_modules() {
    local tree=$1 out=$2 file name module
    local -A path=()
    shift 2
    while IFS= read -r file; do
        name=${file##*/}
        name=${name%.ko}
        path[${name//-/_}]=$file
    done < <(find "$tree" -name '*.ko')

    for module; do
        module_order "$module" >"$out/$module.order"
        while IFS= read -r name; do
            cp -n "${path[$name]}" "$out/$name.ko"
        done <"$out/$module.order"
    done
}

# module_order MODULE: MODULE after all that it depends on, each once. Uses copy_modules' `path`.
module_order() {
    local -A seen=()
    module_order_visit "$1"
}

module_order_visit() {
    local name=${1//-/_} depends dependency
    [[ -z ${seen[$name]-} ]] || return 0
    seen[$name]=1
    [[ -n ${path[$name]-} ]] || die "Debian's kernel has no module $name: the list in ${BASH_SOURCE[0]##*/} is out of date"
    depends=$(grep -a -z -m1 '^depends=' "${path[$name]}" | tr -d '\0')
    for dependency in $(tr ',' ' ' <<<"${depends#depends=}"); do
        module_order_visit "$dependency"
    done
    printf '%s\n' "$name"
}

# make_initramfs OUT INIT MODULE...: an uncompressed initramfs (unpacking costs more than copying under
# emulation) of INIT as /init, busybox, and the MODULEs as debian_linux lays them out, in /modules.
# The same input gives the same bytes.
make_initramfs() {
    local out=$1 init=$2 root module name
    shift 2
    need_commands busybox cpio
    root=$(mktemp -d "$out.XXXXXX")
    mkdir -p "$root"/{bin,dev,proc,sys,mnt,run,modules}
    cp "$(command -v busybox)" "$root/bin/busybox"
    cp "$init" "$root/init"
    chmod 755 "$root/init" "$root/bin/busybox"
    for module; do
        cp "$DEBIAN_LINUX/modules/$module.order" "$root/modules"
        while IFS= read -r name; do
            cp -n "$DEBIAN_LINUX/modules/$name.ko" "$root/modules"
        done <"$root/modules/$module.order"
    done
    find "$root" -exec touch -h -d @0 {} +
    (cd "$root" && find . -print0 | LC_ALL=C sort -z | cpio -0 -o -H newc -R 0:0 --reproducible --quiet) >"$out.new"
    mv "$out.new" "$out"
    rm -r "$root"
}
