# shellcheck shell=sh disable=SC2086 # short, for it goes through the kernel's command line
# One of four chains, in a quarter of the disk each: worker NUMBER STEPS DISK. Every link is made from the one before and from
# a block of the disk, and goes back to the disk. Without STEPS (-) it goes on until there is a file /tmp/stop. For the guest's busybox
# and for bash.
worker() {
h=$1; n=0
while if [ $2 = - ]; then [ ! -e /tmp/stop ]; else [ $n -lt $2 ]; fi; do
  at=$(($1 * 512 + n % 512))
  h=$( (echo $h; dd if=$3 bs=4096 skip=$at count=1 2>/dev/null) | sha256sum)
  i=0; while [ $i -lt 63 ]; do echo "$h $i"; i=$((i+1)); done | head -c 4096 |
    dd of=$3 bs=4096 seek=$at count=1 conv=notrunc,fsync 2>/dev/null
  n=$((n+1))
  [ $((n % 8)) != 0 ] || echo "LINK $1 $n $h"
done
echo "CHAIN $1 $n $h"
}
