//! The C ABI: raw pointers in, owned buffers out, panics caught.

use std::any::Any;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;

use tokenizers::Tokenizer;

const OK: i32 = 0;
const INVALID: i32 = 1;
const PANIC: i32 = 2;

/// An owned buffer: a boxed slice taken apart.
#[repr(C)]
pub struct OwnedBuffer<T> {
    data: *mut T,
    length: usize,
}

impl<T> OwnedBuffer<T> {
    fn new(items: Vec<T>) -> Self {
        let length = items.len();
        let data = Box::into_raw(items.into_boxed_slice()) as *mut T;
        OwnedBuffer { data, length }
    }

    unsafe fn free(self) {
        if !self.data.is_null() {
            drop(Box::from_raw(ptr::slice_from_raw_parts_mut(
                self.data,
                self.length,
            )));
        }
    }
}

pub type OwnedString = OwnedBuffer<u8>;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct View {
    data: *const u8,
    length: usize,
}

impl View {
    unsafe fn bytes<'a>(self) -> &'a [u8] {
        slice(self.data, self.length)
    }

    unsafe fn text<'a>(self) -> std::borrow::Cow<'a, str> {
        String::from_utf8_lossy(self.bytes())
    }
}

/// A null pointer is an empty slice.
unsafe fn slice<'a, T>(data: *const T, length: usize) -> &'a [T] {
    if data.is_null() {
        &[]
    } else {
        std::slice::from_raw_parts(data, length)
    }
}

fn panic_message(panic: Box<dyn Any + Send>) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "panic without a message".to_owned()
    }
}

/// Runs `body` and stores its value or its error.
unsafe fn call<T>(
    out: *mut T,
    error: *mut OwnedString,
    body: impl FnOnce() -> Result<T, String>,
) -> i32 {
    let (code, message) = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => {
            ptr::write(out, value);
            return OK;
        }
        Ok(Err(message)) => (INVALID, message),
        Err(panic) => (PANIC, panic_message(panic)),
    };
    ptr::write(error, OwnedString::new(message.into_bytes()));
    code
}

#[no_mangle]
pub unsafe extern "C" fn rwku_text_string_free(string: OwnedString) {
    string.free();
}

#[no_mangle]
pub unsafe extern "C" fn rwku_text_ids_free(ids: OwnedBuffer<u32>) {
    ids.free();
}

#[no_mangle]
pub unsafe extern "C" fn rwku_text_tokenizer_open(
    json: View,
    out: *mut *mut Tokenizer,
    error: *mut OwnedString,
) -> i32 {
    call(out, error, || {
        let mut tokenizer = Tokenizer::from_bytes(json.bytes()).map_err(|e| e.to_string())?;
        // transformers sets both anew for each call, to none unless asked.
        tokenizer.with_truncation(None).map_err(|e| e.to_string())?;
        tokenizer.with_padding(None);
        Ok(Box::into_raw(Box::new(tokenizer)))
    })
}

#[no_mangle]
pub unsafe extern "C" fn rwku_text_tokenizer_close(tokenizer: *mut Tokenizer) {
    if !tokenizer.is_null() {
        drop(Box::from_raw(tokenizer));
    }
}

#[no_mangle]
pub unsafe extern "C" fn rwku_text_encode(
    tokenizer: *const Tokenizer,
    text: View,
    add_special_tokens: i32,
    out: *mut OwnedBuffer<u32>,
    error: *mut OwnedString,
) -> i32 {
    call(out, error, || {
        let encoding = (*tokenizer)
            .encode_fast(text.text(), add_special_tokens != 0)
            .map_err(|e| e.to_string())?;
        Ok(OwnedBuffer::new(encoding.get_ids().to_vec()))
    })
}

#[no_mangle]
pub unsafe extern "C" fn rwku_text_decode(
    tokenizer: *const Tokenizer,
    ids: *const u32,
    count: usize,
    skip_special_tokens: i32,
    out: *mut OwnedString,
    error: *mut OwnedString,
) -> i32 {
    call(out, error, || {
        let text = (*tokenizer)
            .decode(slice(ids, count), skip_special_tokens != 0)
            .map_err(|e| e.to_string())?;
        Ok(OwnedString::new(text.into_bytes()))
    })
}

#[no_mangle]
pub unsafe extern "C" fn rwku_text_token_to_id(tokenizer: *const Tokenizer, token: View) -> i64 {
    catch_unwind(AssertUnwindSafe(|| (*tokenizer).token_to_id(&token.text())))
        .ok()
        .flatten()
        .map_or(-1, i64::from)
}

#[no_mangle]
pub unsafe extern "C" fn rwku_text_vocabulary_size(tokenizer: *const Tokenizer) -> i64 {
    catch_unwind(AssertUnwindSafe(|| {
        (*tokenizer).get_vocab_size(true) as i64
    }))
    .unwrap_or(0)
}

#[no_mangle]
pub unsafe extern "C" fn rwku_text_render(
    chat_template: View,
    context: View,
    out: *mut OwnedString,
    error: *mut OwnedString,
) -> i32 {
    call(out, error, || {
        let context = serde_json::from_slice(context.bytes()).map_err(|e| e.to_string())?;
        crate::chat::render(&chat_template.text(), &context)
            .map(|t| OwnedString::new(t.into_bytes()))
    })
}

#[no_mangle]
pub unsafe extern "C" fn rwku_text_train_bpe(
    texts: *const View,
    text_count: usize,
    special_tokens: *const View,
    special_token_count: usize,
    bos: View,
    vocabulary_size: usize,
    min_frequency: u64,
    out: *mut OwnedString,
    error: *mut OwnedString,
) -> i32 {
    call(out, error, || {
        let strings = |views: &[View]| -> Vec<String> {
            views.iter().map(|view| view.text().into_owned()).collect()
        };
        let options = crate::bpe::Options {
            special_tokens: strings(slice(special_tokens, special_token_count)),
            bos: bos.text().into_owned(),
            vocabulary_size,
            min_frequency,
        };
        let json = crate::bpe::train(&strings(slice(texts, text_count)), &options)?;
        Ok(OwnedString::new(json.into_bytes()))
    })
}
