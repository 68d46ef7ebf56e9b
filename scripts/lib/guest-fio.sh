# shellcheck shell=bash
# Debian's own fio for the guest, as an initramfs to append to initrd.img. Sourced after debian-linux.sh.
#
# fio is linked to the clients of network file systems and of persistent memory, 60 packages of them. None is called
# before a job asks for its engine, so a library of functions that only trap stands in for all of those.

readonly FIO_PACKAGES=(fio libaio1 libnuma1 zlib1g libc6)
readonly FIO_LIBRARIES=(ld-linux-x86-64.so.2 libaio.so.1 libc.so.6 libm.so.6 libnuma.so.1 libz.so.1)

# make_fio OUT WORK: the same packages give the same files in it.
make_fio() {
    local out=$1 work=$2/fio name
    mkdir -p "$work"/{packages,tree} "$work"/root/{bin,lib,lib64}
    download_fio "$work/packages"
    for name in "$work"/packages/*.deb; do
        dpkg-deb -x "$name" "$work/tree"
    done
    cp "$work/tree/usr/bin/fio" "$work/root/bin"
    for name in "${FIO_LIBRARIES[@]}"; do
        find "$work/tree" -name "$name" -exec cp -L {} "$work/root/lib" \; -quit
        [[ -e $work/root/lib/$name ]] || die "none of ${FIO_PACKAGES[*]} has $name: FIO_LIBRARIES is out of date"
    done
    mv "$work/root/lib/ld-linux-x86-64.so.2" "$work/root/lib64"
    make_absent_libraries "$work"
    find "$work/root" -exec touch -h -d @0 {} +
    (cd "$work/root" && find . -print0 | LC_ALL=C sort -z | cpio -0 -o -H newc -R 0:0 --reproducible --quiet) >"$out"
}

download_fio() {
    local attempt
    for attempt in 1 2 3; do
        say "downloading fio and its libraries (about 4 MB, once) ..."
        (cd "$1" && apt-get download -q "${FIO_PACKAGES[@]}") >"$1/apt.log" 2>&1 && return
        as_root apt-get update -q >"$1/update.log" 2>&1 || sleep "$((attempt * 2))"
    done
    tail -n 3 "$1"/*.log >&2
    die "could not download ${FIO_PACKAGES[*]}; check that 'apt-get update' works here, then try again"
}

# The other libraries that fio names, all of them one file. It has every function that fio asks them for, by its version:
# the loader looks for all of them at once.
make_absent_libraries() {
    local root=$1/root libraries
    libraries=$(readelf -W -d "$root/bin/fio" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
        grep -vxF "$(printf '%s\n' "${FIO_LIBRARIES[@]}")")
    nm -D --undefined-only "$root/bin/fio" | awk '$1 == "U" { print $2 }' |
        grep -vE '@(GLIBC|LIBAIO|libnuma)|^(de|in)flate' >"$1/functions"
    sed 's/@.*//; s/.*/.globl &\n.type &, @function\n&: ud2/' "$1/functions" >"$1/absent.s"
    printf '.section .note.GNU-stack,"",@progbits\n' >>"$1/absent.s"
    sed -n 's/\(.*\)@\(.*\)/\2 \1/p' "$1/functions" | sort |
        awk '$1 != version { if (version) print "};"; version = $1; print version " { global:" } { print $2 ";" }
             END { print "};" }' >"$1/absent.map"
    gcc -shared -nostdlib -Wl,--version-script="$1/absent.map" -o "$root/lib/absent.so" "$1/absent.s"
    while IFS= read -r name; do
        ln -s absent.so "$root/lib/$name"
    done <<<"$libraries"
}
