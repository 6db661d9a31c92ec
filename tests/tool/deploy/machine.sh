# A machine to deploy to: this one's files under an overlay that is gone with it, and a real sshd on
# the loopback. To be run by `unshare --mount --pid --fork --kill-child --propagation private sh -e`:
# its processes see nobody else's, and all of them end with the first.
#
# P: a directory with `host_key`, `authorized` and an empty directory `machine`. PORT: where sshd
# listens. SETUP: run before, with $R as the root that sshd sees.
mount -t tmpfs machine "$P/machine"
cd "$P/machine"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=upper,workdir=work" root
R=$P/machine/root
mount -t proc proc "$R/proc"
mount --rbind /dev "$R/dev"
mount -t tmpfs run "$R/run"
mount -t tmpfs tmp "$R/tmp"
mkdir -p "$R/run/sshd" "$R/usr/lib/mesos/modules" "$R/etc/mesos-agent" "$R/home/plain"
mkdir -p "$R/lib/systemd/system" "$R/etc/systemd/system"
echo 'plain:x:4711:4711::/home/plain:/bin/sh' >>"$R/etc/passwd"
sed -i 's/^root:[^:]*:/root:*:/' "$R/etc/shadow"
echo 'plain:*:19000:0:99999:7:::' >>"$R/etc/shadow"
rm -f "$R/usr/local/bin/mesos-command"
: >"$R/usr/lib/libmesos.so"
: >"$R/etc/systemd/system/mesos-agent.service"
eval "$SETUP"
mkdir "$R/etc/deploy"
cp "$P/host_key" "$P/authorized" "$R/etc/deploy/"
chmod 600 "$R/etc/deploy/host_key"
cat >"$R/etc/deploy/config" <<CONFIG
ListenAddress 127.0.0.1
Port $PORT
HostKey /etc/deploy/host_key
AuthorizedKeysFile /etc/deploy/authorized
PidFile none
UsePAM no
PermitRootLogin prohibit-password
StrictModes no
CONFIG
exec chroot "$R" /usr/sbin/sshd -D -e -f /etc/deploy/config
