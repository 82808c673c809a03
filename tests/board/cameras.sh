#!/bin/bash
# Runs as root in the guest: plugs the cameras in, runs the daemon as a service, makes one fault after the
# other and writes down when. It judges nothing: messages and events go to /host/out, the host reads them.
#   guest.sh record    what vivid and the webcam's YUYV show, raw, for calibration on the host
#   guest.sh faults    everything else
set -u
HOST=10.0.2.2
. /host/in/ports                       # USBIP and CONTROL: the webcam's ports on the host
WEBCAM=/dev/v4l/by-id/usb-Test_USBIP_UVC_test_camera_SN0001-video-index0
VIVID=/dev/v4l/by-path/platform-vivid.0-video-index0
OUT=/host/out

event() { echo "$EPOCHREALTIME $*" >> $OUT/events; echo "$*"; }
die() { event "failed $*"; exit 1; }

until_there() { # PATH SECONDS
  for _ in $(seq $(($2 * 10))); do [ -e "$1" ] && return; sleep .1; done
  die "$1 does not appear"
}
plug_webcam() { usbip --tcp-port "$USBIP" attach -r $HOST -b 1-1 2>/dev/null; }
tell_webcam() { # WORD: see uvc-usbip.py
  exec 5<>"/dev/tcp/$HOST/$CONTROL" || die "the webcam's control port does not answer"
  echo "$1" >&5; read -t 5 -r said <&5; exec 5>&-
}
tell_vivid() { v4l2-ctl -d $VIVID -c "$1"; }

cameras() {
  ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; ip route add default via $HOST dev eth0
  modprobe vhci-hcd || die "no module vhci-hcd"
  plug_webcam
  modprobe vivid n_devs=1 node_types=0x1 || die "no module vivid"
  until_there $WEBCAM 20; until_there $VIVID 20
}

record() {
  v4l2-ctl -d $WEBCAM --set-fmt-video=width=320,height=240,pixelformat=YUYV --set-parm=30 \
    --stream-mmap --stream-count=64 --stream-to=$OUT/yuyv.raw 2>&1
  v4l2-ctl -d $VIVID --set-fmt-video=width=320,height=180,pixelformat=YUYV --set-parm=10 \
    --stream-mmap --stream-count=100 --stream-to=$OUT/vivid.raw 2>&1
}

# ---- the daemon

start() { # CONFIG: runs the service on it
  systemctl stop inspectd 2>/dev/null; systemctl reset-failed inspectd 2>/dev/null
  event "daemon $1"
  systemd-run -q --unit=inspectd -p Restart=always -p RestartSec=1 $SERVICE -p WorkingDirectory=/tmp/board \
    /tmp/board/inspectd run --config "/tmp/board/$1.toml" || die "the daemon does not start"
}
restarts() { systemctl show -p NRestarts --value inspectd; }
said() { # CAMERA SINCE TOPIC TEXT: whether a message with this text came since then
  awk -v since="$2" -v topic="inspectd/board/$1/$3" -v text="$4" \
    '$1 >= since && $2 == topic && index($0, text) { found = 1 } END { exit !found }' /tmp/messages
}
until_scored() { # CAMERA SINCE SECONDS: judged and online since then
  for _ in $(seq $(($3 * 4))); do
    said "$1" "$2" state '"judged":true' && { said "$1" "$2" availability online || [ "${4:-}" = any ]; } && return
    sleep .25
  done
  return 1
}

# One fault: quiet running, the fault for so many seconds, its end, and time to recover. Without an END the
# fault is over at once.
fault() { # CAMERA NAME SECONDS BEGIN [END]
  until_scored "$1" "$EPOCHREALTIME" 40 any || event "silent $1 before $2"
  sleep 4
  event "begin $1 $2 $(restarts)"
  eval "$4"
  if [ $# -ge 5 ]; then sleep "$3"; event "end $1 $2"; eval "$5"; else event "end $1 $2"; fi
  until_scored "$1" "$(awk 'END { print $1 }' $OUT/events)" 30 || true
  event "over $1 $2 $(restarts)"
}
again() { # SECONDS COMMAND: as often as possible for so long
  local stop=$((SECONDS + $1)); shift
  while [ $SECONDS -lt "$stop" ]; do eval "$*"; done
}

webcam_faults() { # CAMERA, and whether damage without a flag can be told (JPEG)
  fault "$1" unplug 12 'tell_webcam unplug' plug_webcam
  for word in stall ${2:+corrupt} truncate errbit halt; do
    fault "$1" $word 12 "tell_webcam $word" 'tell_webcam ok'
  done
  # Kernels since 6.13 hand on what is damaged; older ones do so when asked.
  echo 1 > /sys/module/uvcvideo/parameters/nodrop
  for word in truncate errbit; do
    fault "$1" ${word}_handed_on 12 "tell_webcam $word" 'tell_webcam ok'
  done
  echo 0 > /sys/module/uvcvideo/parameters/nodrop
}
vivid_faults() {
  local bus=/sys/bus/platform/drivers/vivid
  fault vivid unbind 12 "echo vivid.0 > $bus/unbind" "echo vivid.0 > $bus/bind"
  fault vivid disconnect 0 'tell_vivid disconnect=1'
  fault vivid inject_fatal_streaming_error 0 'tell_vivid inject_fatal_streaming_error=1'
  fault vivid inject_vidioc_qbuf_error 0 'tell_vivid inject_vidioc_qbuf_error=1'
  fault vivid percentage_of_dropped_buffers 12 'tell_vivid percentage_of_dropped_buffers=100' \
    'tell_vivid percentage_of_dropped_buffers=0'
  fault vivid inject_v4l2_buf_flag_error 12 'again 12 tell_vivid inject_v4l2_buf_flag_error=1 & flags=$!' 'wait $flags'
}

faults() {
  mkdir -p /tmp/board && cp -r /host/in/board/. /tmp/board/ || die "no room for the daemon"
  systemctl is-active -q mosquitto || systemctl start mosquitto
  mosquitto_sub -t 'inspectd/board/+/+' -F '%U %t %p' > /tmp/messages & local subscriber=$!
  start mjpeg
  until_scored webcam 0 90 || die "the webcam is not scored: $(journalctl -u inspectd -o cat | tail -5)"
  until_scored vivid 0 30 || die "vivid is not scored: $(journalctl -u inspectd -o cat | tail -5)"
  sleep 20                               # most of the webcam's pictures, as they are scored here
  webcam_faults webcam jpeg
  vivid_faults
  start yuyv
  until_scored webcam "$(awk 'END { print $1 }' $OUT/events)" 60 || die "the webcam's YUYV is not scored"
  sleep 40
  webcam_faults webcam
  event "stop $(restarts)"
  systemctl stop inspectd
  kill $subscriber
  cp /tmp/messages $OUT/messages
  journalctl -u inspectd -o short-precise --no-pager > $OUT/daemon.log
}

SERVICE="-p Type=notify -p NotifyAccess=main -p WatchdogSec=60"
trap 'cp /tmp/messages $OUT/messages 2>/dev/null; journalctl -u inspectd -o short-precise --no-pager > $OUT/daemon.log' EXIT
cameras
"$WHAT"
