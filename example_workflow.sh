#!/usr/bin/env bash
# The seed's workflow on your own data: put them at raw_data/adata.h5ad.gz, with the cell types in
# obs["Main_cluster_name"], or change both in configs/*.json.
set -euo pipefail

python -m selectormlp split_data --config configs/split_data.json

python -m selectormlp train --config configs/train.json --model_type selector_mlp
python -m selectormlp train --config configs/train.json --model_type svm

python -m selectormlp feature_selection --config configs/feature_selection.json \
  --model_path trained_models/SelectorMLP_best_model.pkl --model_type selector_mlp
python -m selectormlp feature_selection --config configs/feature_selection.json \
  --model_path trained_models/SVM_best_model.pkl --model_type svm
