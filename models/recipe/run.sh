#!/bin/sh
# Make a teacher from nothing: pool of procedural images, training, export.
# usage: run.sh WORK_FOLDER [SHAPE [OUTPUT_FOLDER]]     SHAPE: teacher (default) or nano
# Stopped runs resume from the last checkpoint when started again.  STEPS and LAST override the length.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$1
shape=${2:-teacher}
out=${3:-$(dirname "$here")}
python=${PYTHON:-python3}
file=teacher
[ "$shape" = teacher ] || file=teacher-$shape
mkdir -p "$work"
export OMP_WAIT_POLICY=PASSIVE
[ -f "$work/pool.npy" ] || "$python" "$here/make_pool.py" --out "$work/pool.npy" --members 120 --instances 32 --seed 7
"$python" "$here/train.py" --pool "$work/pool.npy" --instances 32 --shape "$shape" --out "$work/$file.pt" \
    --steps "${STEPS:-4000}" --last "${LAST:-400}" ${PLAIN:+--plain}
"$python" "$here/export.py" --checkpoint "$work/$file.pt" --out "$out/$file.onnx"
