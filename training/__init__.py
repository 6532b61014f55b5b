"""Offline training: renders of heads, the network trained on them, its measurements, and its export."""

import os

# As in faceid_fast.face.embedder, and before anything here imports onnxruntime.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
