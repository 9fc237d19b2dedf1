//! HF tokenizers, MiniJinja chat templates and byte-level BPE training behind the C ABI that
//! `rwku_text.h` documents.

mod abi;
mod bpe;
mod chat;
mod python_json;
