#!/usr/bin/env bash
# Makes all that lies here again, with the code of commit 51e1021. Start it in a copy of this folder
# that has make.sh, parts.py, corpus/, spaces/ and my_experiment.yaml alone:
#     OLD=<checkout of 51e1021 with .venv> bash make.sh
set -euo pipefail
: "${OLD:?must name that checkout}"
LIT_SENTIMENT_CACHE=$(mktemp -d)
export LIT_SENTIMENT_CACHE OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
export PYTHONPATH=$OLD PYTHONDONTWRITEBYTECODE=1 # for tests.toys
python() { nice "$OLD/.venv/bin/python" "$@"; }
lit() { python -W ignore -m experiments "$@"; }

files="--data TextFiles --data.train corpus/train.csv --data.validation corpus/validation.csv
  --data.test corpus/test.csv"
common="$files --run.wandb_mode disabled"
fit() { lit fit --runs runs --name "${name:-old}" --test -c "$1" $common --trainer.max_epochs 3 "${@:2}"; }
net="--data.vocab_size 150 --data.max_length 40 --data.batch_size 2 --model.learning_rate 0.05"
embed="$net --model.embedding_dim 8 --model.vectors_rate 1"
word2vec="--data.vectors datamodules.vectors.Word2Vec --data.vectors.dim 8
  --data.vectors.min_count 1 --data.vectors.epochs 2 --data.vectors.workers 1"

# n-grams and scikit-learn; their files say `refit`
for one in naive_bayes tfidf_logreg nb_logreg linear_svm; do
  fit $one --run.protocol holdout --model.min_documents 2
done
fit tfidf_char_logreg --run.protocol holdout --model.char_ngrams 3 --model.min_documents 4
fit bow_forest --run.protocol holdout --model.trees 2 --model.min_leaf 4
fit tfidf_forest --run.protocol holdout --model.trees 2 --model.min_leaf 4
# word vectors and scikit-learn
for one in vector_average_logreg centroids_logreg; do
  fit $one --run.protocol holdout $word2vec
done
for one in vector_average_forest centroids_forest; do
  fit $one --run.protocol holdout $word2vec --model.trees 2 --model.min_leaf 4
done
fit doc2vec_logreg --run.protocol holdout --model.dim 8 --model.min_count 2 --model.epochs 5 \
  --model.workers 1 --data.unlabelled corpus/unlabelled.csv
# bags
ngrams="--model.max_ngrams 200 --data.batch_size 8"
fit perceptron $ngrams
fit logistic $ngrams --model.ngram_dropout 0.1
fit mlp $ngrams --model.hidden_size 8
fit nb_bag $ngrams --model.smoothing 0.5 --model.initial_weight 0.02
fit bag $embed --model.distinct false
fit fasttext $embed --model.buckets 100 --model.initial_range 0.02
# recurrent
for one in rnn gru lstm bidirectional_lstm bidirectional_gru; do
  fit $one $embed --model.hidden_size 8 $word2vec --model.pooling mean+max
done
fit stacked_lstm $embed --model.hidden_size 8 $word2vec --model.layers 3 --model.layer_dropout 0.1 \
  --model.weight_drop 0.1 --model.learning_rate 0.01
# convolutional
fit cnn $embed $word2vec --model.widths "[2, 4]" --model.filters 6 --model.layers 2 --model.k_max 2 \
  --model.vectors_rate 0.5 --model.vectors_frozen_epochs 1
fit cnn_lstm $embed $word2vec --model.width 3 --model.filters 6 --model.pool_size 2 \
  --model.hidden_size 8 --model.bidirectional true
fit dpcnn $embed $word2vec --model.filters 8 --model.blocks 2
fit rcnn $embed $word2vec --model.cell lstm --model.context_size 6 --model.hidden_size 8
# attention, capsules
fit attention_lstm $embed $word2vec --model.hidden_size 8 --model.attention context \
  --model.attention_size 8
fit hierarchical_attention $embed $word2vec --model.hidden_size 6 --model.attention_size 8
fit capsule $embed $word2vec --model.hidden_size 8 --model.primary_size 6 --model.capsule_size 6 \
  --model.capsules 3 --model.iterations 2
name=margin fit capsule $embed $word2vec --model.hidden_size 8 --model.primary_size 6 \
  --model.capsule_size 6 --model.loss margin
# Transformers
for one in transformer linear_transformer; do
  fit $one $embed --model.layers 2 --model.feedforward 12 --model.average_decay 0.8 --model.average ema
done
# Keras variants, with few weights left, so that they are small
for one in cnn lstm bidirectional_gru stacked_lstm cnn_lstm attention_lstm capsule; do
  size=; case $one in attention_lstm | capsule) size="--model.embedding_dim 8" ;; esac
  [ $one != cnn ] || size="--model.seed_length 40"
  lit fit --runs runs --name old -c "$OLD/experiments/configs/seed/${one}_seed.yaml" $common \
    --trainer.max_epochs 3 --data.vocab_size 100 --data.max_length 40 --data.batch_size 8 $size
  python parts.py shrink runs/old/${one}_seed/seed-0
  lit test runs/old/${one}_seed/seed-0
done
# other protocols, preparations, vectors, corpora
name=refit fit bag $embed --run.protocol refit
name=refit fit nb_logreg --run.protocol refit
name=prepared fit bow_forest --run.protocol holdout --model.trees 2 --model.min_leaf 4 --model.max_ngrams 80 \
  --data.tokenizer WordTokenizer --data.tokenizer.preparation seed
name=glove fit gru $embed --model.hidden_size 8 --data.vectors datamodules.glove.GloVe \
  --data.vectors.dim 8 --data.vectors.min_count 2 --data.vectors.epochs 2
name=subwords fit gru $embed --model.hidden_size 8 --data.vectors datamodules.subword_vectors.FastText \
  --data.vectors.dim 8 --data.vectors.min_count 2 --data.vectors.buckets 50
name=file fit vector_average_logreg --run.protocol holdout \
  --data.vectors datamodules.vector_files.VectorFile --data.vectors.dim 8 \
  --data.vectors.path corpus/vectors.txt
fit my_experiment.yaml --model.dropout 0.2
# a tiny BERT: a source, pretrained further, fitted, distilled; and one from random weights
python parts.py encoder encoder
bert="--model.config.model_type bert --data.max_length 40 --data.batch_size 4
  --model.learning_rate 0.01 --model.pooling mean --data.tokenizer datamodules.subwords.SubwordTokenizer"
tiny="--model.config.hidden_size 8 --model.config.num_hidden_layers 2
  --model.config.num_attention_heads 2 --model.config.intermediate_size 8"
lit pretrain -c bert $files --data.unlabelled corpus/unlabelled.csv --data.max_length 40 \
  --model.source encoder --data.tokenizer.source encoder --steps 10 --batch-size 8 --window 32 \
  --learning-rate 0.01 --pairs next-sentence --out pretrained/tiny
fit bert $bert --model.source pretrained/tiny --data.tokenizer.source pretrained/tiny
fit "$OLD/experiments/configs/scratch/distilbert_small.yaml" $bert $tiny \
  --model.config.num_hidden_layers 1 --model.config.vocab_size 200 \
  --model.config.max_position_embeddings 64 --model.teacher runs/old/bert/seed-0 \
  --data.tokenizer.source encoder
fit minilm $bert $tiny --model.config.vocab_size 150 --model.config.max_position_embeddings 64 \
  --model.source null --data.tokenizer null --data.vocab_size 150
# a benchmark with its plan, an official test split with its log line, sweeps
bench="--profile full --name bench --runs runs --seeds 0 $common $embed --trainer.max_epochs 2
  --model.average ema --model.average_decay 0.8 --model.vectors_rate 0.5"
lit benchmark bag $bench
lit benchmark cnn $bench $word2vec "--model.widths=[2, 3]" --model.filters 6
python parts.py submissions runs/bench
python parts.py official fit -c bag --runs runs --name official --test \
  --data tests.toys.OfficialToy $embed --trainer.max_epochs 1 --run.wandb_mode disabled
lit sweep bag --space spaces/bag.yaml --trials 3 --runs runs $common $net --trainer.max_epochs 2 \
  --model.average ema
lit sweep tfidf_logreg --space spaces/tfidf_logreg.yaml --trials 3 --runs runs $common
# asked to stop in the first fit, and in the second; and what they are if nobody asks
long="$embed --trainer.max_epochs 60 --run.patience 60"
python parts.py stop resume.ckpt runs/stopped/bag/seed-0 fit -c bag --runs runs --name stopped \
  --test $common $long --model.average ema
python parts.py stop choice.json,resume.ckpt runs/stopped-refit/bag/seed-0 fit -c bag --runs runs \
  --name stopped-refit --test $common $long --run.protocol refit
for one in holdout refit; do
  lit fit -c bag --runs runs --name uncut-$one --test $common $long --run.protocol $one \
    $([ $one = refit ] || echo --model.average ema)
done
python parts.py keep
python parts.py expected > expected.json
rm -rf "$LIT_SENTIMENT_CACHE"
