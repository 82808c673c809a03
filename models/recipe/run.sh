#!/bin/sh
# Make a teacher from nothing: pool of procedural images, training, export.
# usage: run.sh WORK_FOLDER [SHAPE [OUTPUT_FOLDER]]     SHAPE: teacher (default) or nano
# Stopped runs resume from the last checkpoint when started again.  STEPS and LARGE_STEPS override the length.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$1
shape=${2:-teacher}
out=${3:-$(dirname "$here")}
python=${PYTHON:-python3}
file=teacher
[ "$shape" = teacher ] || file=teacher-$shape
mkdir -p "$work" "$out"
# cuBLAS computes the same twice only so.
export OMP_WAIT_POLICY=PASSIVE CUBLAS_WORKSPACE_CONFIG=:4096:8
"$python" "$here/export.py" --help >/dev/null # what is missing is told before the work
[ -f "$work/pool.npy" ] || "$python" "$here/make_pool.py" --out "$work/pool.npy" --seed 7
"$python" "$here/train.py" --pool "$work/pool.npy" --shape "$shape" --out "$work/$file.pt" \
    --steps "${STEPS:-4200}" --large-steps "${LARGE_STEPS:-300}" ${PLAIN:+--plain}
"$python" "$here/export.py" --checkpoint "$work/$file.pt" --out "$out/$file.onnx"
