#!/bin/bash
# Runs as root in the guest, on a disk that stays: installs the package, calibrates from a camera, runs as a
# service, and makes what happens to a board. Each fact that is found is a line "name value" of
# /host/out/facts; it judges nothing, the host does.
#   service.sh install      package, calibration, first alert, what it costs at rest
#   service.sh faults       kill, hang, unplug, clock, disk, broker, reload
#   service.sh cut_WHAT     gets ready to lose its power: spool, switch, footage; after_WHAT looks
#   service.sh read_only    on a root that nothing can be written to
#   service.sh remove       upgrade, remove, purge
set -u
IN=/host/in OUT=/host/out
VIVID=/dev/v4l/by-path/platform-vivid.0-video-index0
PROFILE=/var/lib/inspectd/profiles/vivid
MESSAGES=/tmp/messages

fact() { echo "$*" >> $OUT/facts; echo "$*"; }
die() { fact "failed ${*// /_}"; journalctl -u 'inspectd*' -o cat --no-pager | tail -30; exit 1; }
# Seconds since the boot: clocks are moved here. A builtin, since forks are slow in an emulator.
now() { read -r UP _ < /proc/uptime; }
took() { now; awk -v a="$1" -v b="$UP" 'BEGIN { printf "%.1f", b - a }'; }

camera() { # plugged in after the daemon has started: not even the kernel's video drivers are there before
  modprobe vivid n_devs=1 node_types=0x1 || die "no module vivid"
  for _ in $(seq 100); do [ -e $VIVID ] && return; sleep .2; done
  die "$VIVID does not appear"
}
# A control that belongs to the view: the daemon ends the stream where one that makes the picture is moved.
mirror() { v4l2-ctl -d $VIVID -c horizontal_flip="$1" || die "vivid can't be mirrored"; }
normal() { mirror 0; }
anomalous() { mirror 1; }

# ---- what a subscriber sees

subscribe() { # A session that the broker keeps: nothing is missed meanwhile. What is retained is old: left out.
  mosquitto_sub -R -c -i watcher -q 1 -t 'inspectd/board/#' -F '%t %p' 2>/dev/null |
    while IFS= read -r line; do read -r UP _ < /proc/uptime; echo "$UP $line"; done >> $MESSAGES &
}
seen() { # SINCE TOPIC TEXT: when a message of this topic with this text first came
  awk -v since="$1" -v topic="inspectd/board/$2" -v text="$3" \
    '$1 >= since && $2 == topic && index($0, text) { print $1; found = 1; exit } END { exit !found }' $MESSAGES
}
await() { # SECONDS SINCE TOPIC TEXT
  local end=$((SECONDS + $1)); shift
  while [ $SECONDS -lt "$end" ]; do seen "$@" > /dev/null && return; sleep .25; done
  return 1
}
ask() { mosquitto_pub -q 1 -t inspectd/board/request/health_check -m '{}'; }
judged() { await "$1" "$2" vivid/state '"judged":true'; } # SECONDS SINCE
calm() { # until no anomaly is open: forty-eight frames and the smallest teacher make a false alarm now and then
  for _ in $(seq 240); do
    grep ' inspectd/board/vivid/state ' $MESSAGES | tail -1 | grep -q '"anomaly":"OFF".*"judged":true' && return
    sleep .25
  done
  die "it does not become normal"
}
alarm() { # NAME: the seconds until an anomaly is told; then all is normal again
  calm; now; local since=$UP
  anomalous
  if await 60 "$since" vivid/alert '"phase":"opened"'; then fact "$1" "$(took "$since")"; else fact "$1" never; fi
  now; since=$UP
  normal
  await 60 "$since" vivid/alert '"phase":"closed"' || fact "$1.closed never"
}
another() { # PID: until the service has another process than that; its first state is of its own
  for _ in $(seq 480); do
    local own; own=$(main_pid)
    [ "$own" != 0 ] && [ "$own" != "$1" ] && systemctl is-active -q inspectd && { now; return; }
    sleep .25
  done
  die "no other process comes"
}
main_pid() { systemctl show -p MainPID --value inspectd; }
restarts() { systemctl show -p NRestarts --value inspectd; }
SHORT="--minutes 0.4 --epochs 1 --frames 60"
options() { # of a calibration
  echo "OPTIONS=$*" > /run/inspectd/calibrate-vivid.env
}
wait_for_calibration() {
  local end=$((SECONDS + $1))
  while systemctl is-active -q inspectd-calibrate@vivid; do
    [ $SECONDS -lt "$end" ] || die "the calibration does not end"
    sleep .5
  done
}

# ---- parts

install() {
  now; local start=$UP
  dpkg -i $IN/inspectd_1.deb || die "the package can't be installed"
  fact install_s "$(took "$start")"
  fact enabled_by_itself "$(systemctl is-enabled inspectd)"
  fact active_by_itself "$(systemctl is-active inspectd)"
  for path in /etc/inspectd/config.toml /etc/inspectd/credentials /var/lib/inspectd; do
    fact "mode:$path" "$(stat -c '%a:%U:%G' $path)"
  done
  fact man_page "$([ -e /usr/share/man/man1/inspectd.1.gz ] && echo there || echo left_out_by_this_image)"
  # Its Profile is the only thing that is missing.
  fact shipped_configuration "$(inspectd check --config /etc/inspectd/config.toml 2>&1 | grep -c ' has a fault:$')"
  mkdir -p /usr/local/share/inspectd /etc/systemd/system/inspectd{,-calibrate@}.service.d
  # As `systemctl edit` writes it for a camera that needs more devices.
  printf '[Service]\nDeviceAllow=char-media rw\n' > /etc/systemd/system/inspectd-calibrate@.service.d/override.conf
  cp $IN/teacher.onnx $IN/teacher.toml /usr/local/share/inspectd/
  cat $IN/config.toml > /etc/inspectd/config.toml
  systemd-run -q --wait -p LoadCredential=mqtt:/etc/inspectd/credentials true
  fact without_credentials "$?"
  printf 'secret\n' > /etc/inspectd/credentials/password
  options $SHORT
  local before; before=$(disk); sleep 60
  fact disk_without_inspectd_per_minute $(($(disk) - before))
  # Where the second copy of accepted alerts goes: to the host, which keeps its power.
  printf '[Service]\nReadWritePaths=-/host/out\n' > /etc/systemd/system/inspectd.service.d/test.conf
  systemctl daemon-reload
  subscribe
  now; start=$UP
  systemctl start inspectd-calibrate@vivid || die "the calibration does not start"
  wait_for_calibration 400
  fact calibrate_s "$(took "$start")"
  fact calibrate "$(systemctl show -p Result --value inspectd-calibrate@vivid)"
  judged 120 "$start" || die "nothing is judged after the calibration"
  fact started_by_calibration "$(systemctl is-active inspectd)"
  systemctl -q enable inspectd
  alarm alert_s
  fact who "$(ps -o user=,group= -p "$(main_pid)" | tr -s ' ' :)"
  costs
  fact security "$(systemd-analyze security inspectd --no-pager | sed -n 's/.*level.*: \([0-9.]*\) .*/\1/p')"
  fact security_calibrate "$(systemd-analyze security inspectd-calibrate@vivid --no-pager | sed -n 's/.*level.*: \([0-9.]*\) .*/\1/p')"
  systemd-analyze verify --man=no inspectd.service inspectd-calibrate@vivid.service > $OUT/verify 2>&1
  fact verify "$?:$(grep -c inspectd $OUT/verify)"
}

written() { awk '/^write_bytes/ { print $2 }' "/proc/$(main_pid)/io"; }
disk() { sync; awk '{ print 512 * $7 }' /sys/block/vda/stat; } # bytes that it was given to write, by all
costs() { # at rest for a minute, then one incident
  sleep 5
  local before lines all
  all=$(disk)
  before=$(written); lines=$(journalctl -u inspectd -o short --no-pager | wc -c)
  sleep 60
  fact written_at_rest_per_minute $(($(written) - before))
  fact journal_at_rest_per_minute $(($(journalctl -u inspectd -o short --no-pager | wc -c) - lines))
  fact disk_at_rest_per_minute $(($(disk) - all))
  all=$(disk)
  before=$(written); lines=$(journalctl -u inspectd -o short --no-pager | wc -c)
  alarm second_alert_s; sleep 3
  fact written_per_incident $(($(written) - before))
  fact journal_per_incident $(($(journalctl -u inspectd -o short --no-pager | wc -c) - lines))
  fact disk_per_incident $(($(disk) - all))
  awk '/^VmRSS|^VmHWM/ { print tolower(substr($1, 1, 5)) "_kb", $2 }' "/proc/$(main_pid)/status" | while read -r line; do fact "$line"; done
  fact memory_current "$(systemctl show -p MemoryCurrent --value inspectd)"
}

back() { # NAME SINCE: judged again
  if judged 120 "$2"; then fact "$1.back_s" "$(took "$2")"; else fact "$1.back_s" never; fi
}

boot() { # how long it took until systemd was told that it inspects
  fact boot_to_ready_s "$(systemctl show -p ActiveEnterTimestampMonotonic --value inspectd | awk '{ printf "%.1f", $1 / 1e6 }')"
}

faults() {
  subscribe
  judged 120 0 || die "nothing is judged after the boot"
  boot

  now; local since=$UP own; own=$(main_pid)
  kill -9 "$own"; another "$own"; judged 120 "$UP" || die "nothing is judged after a kill"
  fact kill.back_s "$(took "$since")"
  alarm kill.alert_s

  now; since=$UP; local before; before=$(restarts)
  kill -STOP "$(main_pid)"
  for _ in $(seq 240); do [ "$(restarts)" -gt "$before" ] && break; sleep .5; done
  fact hang.noticed_s "$(took "$since")"; now; since=$UP; back hang "$since"
  await 60 "$since" vivid/availability online || die "the camera does not come back after a hang"

  before=$(restarts); now; since=$UP
  echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind
  await 30 "$since" vivid/availability offline && fact unplug.offline_s "$(took "$since")" || fact unplug.offline_s never
  now; since=$UP
  echo vivid.0 > /sys/bus/platform/drivers/vivid/bind; back unplug "$since"

  date -s '+20 years' > /dev/null; sleep 3; alarm clock_forward.alert_s
  date -s '-20 years' > /dev/null; date -s '-1 hour' > /dev/null; sleep 3; alarm clock_back.alert_s
  date -s '+1 hour' > /dev/null

  fallocate -l $(($(stat -f -c '%a * %S' /var) - 65536)) /var/fill; cat /dev/zero > /var/fill2 2> /dev/null
  fact disk_full.left "$(stat -f -c %a /var)"
  alarm disk_full.alert_s
  now; since=$UP; ask; await 30 "$since" response/health_check '"state":"no_room"' && fact disk_full.told yes || fact disk_full.told no
  rm -f /var/fill /var/fill2; now; since=$UP
  for _ in $(seq 60); do ask; await 1 "$since" response/health_check '"state":"healthy"' && break; done
  seen "$since" response/health_check '"state":"healthy"' > /dev/null && fact disk_full.healthy_s "$(took "$since")" || fact disk_full.healthy_s never

  systemctl stop mosquitto
  anomalous; sleep 10; normal; sleep 10
  now; since=$UP; systemctl start mosquitto
  await 90 "$since" vivid/alert '"late":true' && fact broker.late_alert_s "$(took "$since")" || fact broker.late_alert_s never

  now; since=$UP; cp -p /etc/inspectd/config.toml /tmp/good.toml
  echo 'nonsense = 1' >> /etc/inspectd/config.toml; systemctl reload inspectd
  await 60 "$since" info nonsense && fact bad_reload.told_s "$(took "$since")" || fact bad_reload.told_s never
  now; judged 30 "$UP" && fact bad_reload.goes_on yes || fact bad_reload.goes_on no
  cat /tmp/good.toml > /etc/inspectd/config.toml; now; since=$UP; systemctl reload inspectd
  await 60 "$since" info '"last_reload_error":null' && fact good_reload.told_s "$(took "$since")" || fact good_reload.told_s never
  alarm good_reload.alert_s
  fact restarts_without_reason $(($(restarts) - before))
  # The broker remembers on disk what the watcher has not had, from here on.
  systemctl restart mosquitto; sync
}

cut_spool() { # alerts are accepted while the broker is away
  systemctl stop mosquitto; sync
  chmod 777 $OUT; systemctl restart inspectd # /host was not there when it was started
  for i in $(seq 60); do
    anomalous; sleep 3; normal; sleep 3
    [ "$(wc -l < $OUT/accepted.jsonl 2> /dev/null || echo 0)" -ge 4 ] && touch $OUT/cut-me
  done
}
after_spool() {
  subscribe
  judged 120 0 || die "nothing is judged after the power cut"
  boot
  sleep 20
  grep ' inspectd/board/vivid/alert ' $MESSAGES | cut -d' ' -f3- > $OUT/delivered.jsonl
  fact spools_set_aside "$(find /var/lib/inspectd -name '*corrupt*' | wc -l)"
}
cut_switch() { # the Profile is switched without pause
  options $SHORT # they do not outlive a boot
  systemctl start inspectd-calibrate@vivid; sleep 1; wait_for_calibration 400
  fact calibrate_again "$(systemctl show -p Result --value inspectd-calibrate@vivid)"
  sync; touch $OUT/cut-me
  for _ in $(seq 100000); do runuser -u inspectd -- inspectd profile rollback $PROFILE >> $OUT/switches 2>&1; done
}
after_switch() {
  subscribe
  fact profile "$(inspectd profile show $PROFILE > $OUT/show 2>&1; echo $?)"
  fact previous "$(inspectd profile show $PROFILE.previous > $OUT/show.previous 2>&1; echo $?)"
  judged 120 0 || die "nothing is judged after the power cut"
  boot
  alarm alert_s
}
newest() { find /var/lib/inspectd/footage/vivid -mindepth 1 -maxdepth 1 -type d | sort | tail -1; }
pictures() { find "$(newest)" -type f -name '*.jpg' -size +0 | wc -l; }
cut_footage() { # while it films, long enough for the system to have written some of it
  options --minutes 5
  local before; before=$(newest)
  systemctl start inspectd-calibrate@vivid
  for _ in $(seq 600); do [ "$(newest)" != "$before" ] && [ "$(pictures)" -gt 80 ] && break; sleep .25; done
  [ "$(newest)" != "$before" ] || die "nothing is filmed"
  fact footage_before_the_cut "$(pictures)"
  touch $OUT/cut-me; sleep 60
}
after_footage() {
  subscribe
  judged 120 0 || die "nothing is judged after the power cut"
  boot
  ls -laR /var/lib/inspectd/footage/vivid > $OUT/footage
  fact footage_cut_off "$([ -e "$(newest)/footage.json" ] && echo no || echo yes)"
  fact footage_after_the_cut "$(pictures)"
  fact footage_empty "$(find "$(newest)" -name '*.jpg' -size 0 | wc -l)"
  # The one before it is whole, and the newest that counts; the one that was cut off can be named.
  local cut_off; cut_off=$(newest)
  for footage in last "$cut_off"; do
    options --footage "$footage" --epochs 1
    systemctl start inspectd-calibrate@vivid; sleep 1; wait_for_calibration 400
    fact "calibrate_on_$([ "$footage" = last ] && echo the_one_before || echo what_is_left)" \
      "$(systemctl show -p Result --value inspectd-calibrate@vivid)"
  done
  sed -i 's/defaults,/ro,/' /etc/fstab; sync # of the next boot
}

read_only() { # the state folder is mounted late, so that the start before it is seen as well
  fact root "$(findmnt -no OPTIONS / | cut -d, -f1)"
  local told="can't be written: .*Read-only"
  for _ in $(seq 240); do journalctl -b -u inspectd -o cat --no-pager | grep -q "$told" && break; sleep .5; done
  fact without_the_folder "$(journalctl -b -u inspectd -o cat --no-pager | grep -q "$told" && echo told || echo silent)"
  # The broker's log is the broker's own matter.
  mount -t tmpfs -o uid=mosquitto,gid=mosquitto tmpfs /var/log/mosquitto || die "no folder for the broker's log"
  systemctl reset-failed mosquitto # it has tried more often than systemd allows
  systemctl restart mosquitto || die "the broker does not start"
  cp -a /var/lib/inspectd /run/state || die "no copy of the state"
  touch /run/before
  subscribe
  now; local since=$UP
  mount --bind /run/state /var/lib/inspectd || die "the state folder can't be mounted"
  back read_only "$since"
  alarm read_only.alert_s
  fact read_only.keeps_frames "$([ "$(find /var/lib/inspectd/frames -type f -newer /run/before | wc -l)" -gt 0 ] && echo yes || echo no)"
  systemctl stop inspectd; umount /var/lib/inspectd
  mount -o remount,rw /; sed -i 's/ro,/defaults,/' /etc/fstab; sync
}

remove() {
  subscribe
  judged 120 0 || die "nothing is judged before the upgrade"
  local config state since
  config=$(sha256sum < /etc/inspectd/config.toml); state=$(inspectd profile show --json $PROFILE | sha256sum)
  local own; own=$(main_pid); now; since=$UP
  # The configuration has been edited here and has changed in the package: the own one is to stay.
  dpkg --force-confold -i $IN/inspectd_2.deb || die "the package can't be upgraded"
  fact upgrade.dpkg_s "$(took "$since")"
  another "$own"; back upgrade "$UP"
  fact upgrade.version "$(dpkg-query -W -f '${Version}' inspectd)"
  fact upgrade.configuration "$([ "$config" = "$(sha256sum < /etc/inspectd/config.toml)" ] && echo kept || echo changed)"
  fact upgrade.profile "$([ "$state" = "$(inspectd profile show --json $PROFILE | sha256sum)" ] && echo kept || echo changed)"
  fact upgrade.enabled "$(systemctl is-enabled inspectd)"
  fact "upgrade.mode" "$(stat -c '%a:%U:%G' /etc/inspectd/config.toml)"
  dpkg -r inspectd || die "the package can't be removed"
  fact remove.active "$(systemctl is-active inspectd)"
  fact remove.state "$([ -e $PROFILE/profile.json ] && [ -e /etc/inspectd/config.toml ] && [ -e /etc/inspectd/credentials/password ] && echo kept || echo lost)"
  dpkg --force-confold -i $IN/inspectd_2.deb || die "the package can't be installed again"
  fact again.configuration "$([ "$config" = "$(sha256sum < /etc/inspectd/config.toml)" ] && echo kept || echo changed)"
  rm /etc/inspectd/config.toml
  dpkg --force-confmiss -i $IN/inspectd_2.deb || die "the lost configuration can't be installed again"
  fact again.mode "$(stat -c '%a:%U:%G' /etc/inspectd/config.toml)"
  # On some boards the state lies on a partition of its own.
  mount --bind /var/lib/inspectd /var/lib/inspectd
  dpkg -P inspectd || die "the package can't be purged"
  fact purge.mounted "$(find /var/lib/inspectd -mindepth 1 | wc -l)"
  umount /var/lib/inspectd && rmdir /var/lib/inspectd # made by this script
  rm -rf /usr/local/share/inspectd # put there by this script
  fact purge.left "$(find / -xdev -path /proc -prune -o -name '*inspectd*' -print | grep -v -e '^/tmp' -e '^/var/log' | sort | tr '\n' ,)"
}

trap 'cp $MESSAGES $OUT/messages 2>/dev/null; journalctl -b -u "inspectd*" -o short-precise --no-pager > $OUT/daemon.log' EXIT
: > $MESSAGES
camera
normal
"$WHAT"
