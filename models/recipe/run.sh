#!/bin/sh
# Make a teacher from nothing: pool of procedural images, training, export.
# usage: run.sh WORK_FOLDER [SHAPE [OUTPUT_FOLDER]]     SHAPE: teacher (default) or nano
# Stopped runs resume from the last checkpoint when started again.
#   STEPS=4200 LARGE_STEPS=0   how long it trains, and how many of these steps at 224 pixels
#   RATE=3e-3                  the learning rate
#   SEED=8                     of the pool
#   PYTHON=python3 PLAIN=1     which Python, and without torch.compile
# These, and nano, whose bundled one is of an older recipe, want an OUTPUT_FOLDER, lest they replace a bundled teacher:
#   USE=patch,halves,pooled CHANNELS=4   other losses, and random channels: train.py --help
#   START=FILE.onnx               goes on from a teacher that this made
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=${1:?usage: run.sh WORK_FOLDER [SHAPE [OUTPUT_FOLDER]]}
shape=${2:-teacher}
out=${3:-$(dirname "$here")}
python=${PYTHON:-python3}
file=teacher
[ "$shape" = teacher ] || file=teacher-$shape
pool=$work/pool-${SEED:=8}.npy
if [ "$shape${START:-}${USE:-}${CHANNELS:-}" != teacher ] && [ -z "${3:-}" ]; then
    echo "run.sh: nano, START, USE and CHANNELS make another teacher than the bundled ones: give an OUTPUT_FOLDER" >&2
    exit 64
fi
mkdir -p "$work" "$out"
# cuBLAS computes the same twice only so.
export OMP_WAIT_POLICY=PASSIVE CUBLAS_WORKSPACE_CONFIG=:4096:8
"$python" "$here/export.py" --help >/dev/null # what is missing is told before the work
[ -f "$pool" ] || "$python" "$here/make_pool.py" --out "$pool" --seed "$SEED"
"$python" "$here/train.py" --pool "$pool" --shape "$shape" --out "$work/$file.pt" ${START:+--start "$START"} \
    --use "${USE:-patch,halves,pooled}" --random-channels "${CHANNELS:-4}" \
    --steps "${STEPS:-4200}" --large-steps "${LARGE_STEPS:-0}" --learning-rate "${RATE:-3e-3}" ${PLAIN:+--plain}
"$python" "$here/export.py" --checkpoint "$work/$file.pt" --out "$out/$file.onnx"
