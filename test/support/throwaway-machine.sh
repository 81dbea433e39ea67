# enter GROUP PID DIR   boots a copy of this machine in control groups of that name; PID is in the network outside, DIR has to be in the copy
# shell GROUP PID ...   runs a program in the copy whose first process is PID
set -eu

hierarchies() { if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo .; else ls /sys/fs/cgroup; fi; }

join_groups() {
  for each in $(hierarchies); do
    group=/sys/fs/cgroup/$each/$1
    mkdir -p "$group"
    if [ -e "$group/cpuset.cpus" ]; then
      cat "$group/../cpuset.cpus" > "$group/cpuset.cpus"
      cat "$group/../cpuset.mems" > "$group/cpuset.mems"
    fi
    echo $$ > "$group/cgroup.procs" 2> /dev/null || true
  done
}

enter() {
  join_groups "$1"
  exec unshare --mount --pid --cgroup --net --ipc --uts --fork --kill-child bash "$0" boot "$2" "$3"
}

# Without D-Bus, systemd cannot be asked for a session; the groups of one are made by hand.
shell() {
  join_groups "$1/shell"
  pid=$2
  shift 2
  exec nsenter --target "$pid" --all --wdns=/ "$@"
}

mount_groups() {
  kinds=$(awk '$3 == "cgroup" { print $2 }' /proc/mounts | sed 's,.*/,,' | sort -u)
  pure=$([ -e /sys/fs/cgroup/cgroup.controllers ] && echo yes || echo no)
  umount -R /sys/fs/cgroup
  if [ "$pure" = yes ]; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    return
  fi
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  for kind in $kinds; do
    mkdir "/sys/fs/cgroup/$kind"
    case $kind in systemd) options=none,name=systemd ;; *) options=$kind ;; esac
    mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/$kind"
  done
  mkdir -p /sys/fs/cgroup/systemd /sys/fs/cgroup/unified
  mountpoint -q /sys/fs/cgroup/systemd || mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
  mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
}

lay_files() {
  mount -t tmpfs tmpfs /mnt
  mkdir /mnt/upper /mnt/work /mnt/root /mnt/nix /mnt/dir-upper /mnt/dir-work
  mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
  cd /mnt/root
  mount -t proc proc proc
  mount --rbind /sys sys
  mount --rbind /dev dev
  mount -t tmpfs tmpfs run
  mount -t tmpfs tmpfs tmp
  # It can lie below /tmp, or on another file system.
  mkdir -p ".$2"
  mount -t overlay overlay -o "lowerdir=$2,upperdir=/mnt/dir-upper,workdir=/mnt/dir-work" ".$2"
  mkdir -p nix stand-ins outside
  mount --bind /mnt/nix nix
  touch stand-ins/network
  mount --bind "/proc/$1/ns/net" stand-ins/network
}

boot() {
  mount --make-rprivate /
  lay_files "$1" "$2"
  for program in npm apt-get; do
    printf '#!/bin/sh\nexec nsenter --net=/stand-ins/network %s "$@"\n' "$(command -v $program)" > stand-ins/$program
    chmod 755 stand-ins/$program
  done
  # Units of the machine below are none of ours, and what would set up its kernel has nothing to do here.
  for unit in systemd-sysctl systemd-binfmt systemd-modules-load systemd-udevd systemd-udev-trigger; do
    ln -sf /dev/null "etc/systemd/system/$unit.service"
  done
  printf '%s\n' '[Unit]' 'Wants=systemd-journald.service' > etc/systemd/system/throwaway.target
  pivot_root . outside
  cd /
  mount_groups
  ip link set lo up
  umount -l /outside
  # Credentials are mounted in a namespace of their own, and have to come back from there.
  mount --make-rshared /
  export container=lxc
  exec /lib/systemd/systemd --system --unit=throwaway.target --log-target=journal --show-status=no
}

"$@"
