/* C ABI of the Rust library: HF tokenizers, MiniJinja chat templates, byte-level BPE training.
 *
 * Every function is safe to call from any thread; a handle may be used by several threads at once.
 * Strings are (pointer, length), UTF-8, not NUL-terminated; invalid UTF-8 in is replaced by U+FFFD.
 * No panic crosses this boundary: it becomes RWKU_TEXT_PANIC. On anything but RWKU_TEXT_OK the
 * `error` out-parameter holds a message that the caller frees. */
#ifndef RWKU_TEXT_RWKU_TEXT_H_
#define RWKU_TEXT_RWKU_TEXT_H_

/* C, not C++: NOLINTBEGIN(modernize-*,readability-identifier-naming) */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rwku_text_tokenizer rwku_text_tokenizer;

typedef enum {
  RWKU_TEXT_OK = 0,
  RWKU_TEXT_INVALID = 1, /* the input is malformed; the message says how */
  RWKU_TEXT_PANIC = 2,   /* a bug in the library; the message is the panic's */
} rwku_text_code;

/* Owned by the caller: free with the function beside it. Data may be null when length is 0. */
typedef struct {
  char* data;
  size_t length;
} rwku_text_string;

typedef struct {
  uint32_t* data;
  size_t length;
} rwku_text_ids;

typedef struct {
  const char* data;
  size_t length;
} rwku_text_view;

void rwku_text_string_free(rwku_text_string string);
void rwku_text_ids_free(rwku_text_ids ids);

/* Parses the contents of a tokenizer.json. Truncation and padding it may ask for are switched off.
 */
rwku_text_code rwku_text_tokenizer_open(rwku_text_view json, rwku_text_tokenizer** out,
                                        rwku_text_string* error);
void rwku_text_tokenizer_close(rwku_text_tokenizer* tokenizer);

rwku_text_code rwku_text_encode(const rwku_text_tokenizer* tokenizer, rwku_text_view text,
                                int add_special_tokens, rwku_text_ids* out,
                                rwku_text_string* error);

/* Ids outside the vocabulary are left out. */
rwku_text_code rwku_text_decode(const rwku_text_tokenizer* tokenizer, const uint32_t* ids,
                                size_t count, int skip_special_tokens, rwku_text_string* out,
                                rwku_text_string* error);

/* The token's id, or -1. */
int64_t rwku_text_token_to_id(const rwku_text_tokenizer* tokenizer, rwku_text_view token);

/* Size of the vocabulary with added tokens. */
int64_t rwku_text_vocabulary_size(const rwku_text_tokenizer* tokenizer);

/* Renders a Jinja chat template as transformers' apply_chat_template does: trim_blocks,
 * lstrip_blocks, loop controls, Python's string and dict methods, tojson as json.dumps writes it,
 * raise_exception. One deviation: strftime_now is not defined, so that a prompt does not depend on
 * the day; templates that ask whether it is, as Llama 3.2's do, take their fixed date. `context` is
 * a JSON object of the template's variables: messages, add_generation_prompt, bos_token, ... */
rwku_text_code rwku_text_render(rwku_text_view chat_template, rwku_text_view context,
                                rwku_text_string* out, rwku_text_string* error);

/* Trains a byte-level BPE with Llama-3's split pattern and writes its tokenizer.json. Special
 * tokens take the ids 0, 1, ...; `bos`, one of them or empty, is what the post-processor puts in
 * front. The same input gives the same bytes. */
rwku_text_code rwku_text_train_bpe(const rwku_text_view* texts, size_t text_count,
                                   const rwku_text_view* special_tokens, size_t special_token_count,
                                   rwku_text_view bos, size_t vocabulary_size,
                                   uint64_t min_frequency, rwku_text_string* out,
                                   rwku_text_string* error);

#ifdef __cplusplus
} /* extern "C" */
#endif

/* NOLINTEND(modernize-*,readability-identifier-naming) */
#endif /* RWKU_TEXT_RWKU_TEXT_H_ */
