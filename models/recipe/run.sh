#!/bin/sh
# Make the teacher from nothing: pool of procedural images, training, export.
# usage: run.sh WORK_FOLDER [OUTPUT_FOLDER]
# Stopped runs resume from the last checkpoint when started again.  STEPS and LAST override the length.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$1
out=${2:-$(dirname "$here")}
python=${PYTHON:-python3}
mkdir -p "$work"
export OMP_WAIT_POLICY=PASSIVE
[ -f "$work/pool.npy" ] || "$python" "$here/make_pool.py" --out "$work/pool.npy" --members 120 --instances 32 --seed 7
"$python" "$here/train.py" --pool "$work/pool.npy" --instances 32 --out "$work/teacher.pt" \
    --steps "${STEPS:-730}" --decay "${DECAY:-230}" --last "${LAST:-30}" ${COMPILE:+--compile}
"$python" "$here/export.py" --checkpoint "$work/teacher.pt" --out "$out/teacher.onnx"
