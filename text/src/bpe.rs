//! Byte-level BPE with Llama-3's split pattern.

use tokenizers::decoders::byte_level::ByteLevel as ByteLevelDecoder;
use tokenizers::models::bpe::{BpeTrainer, BPE};
use tokenizers::models::TrainerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, ModelWrapper, SplitDelimiterBehavior, Tokenizer};

const LLAMA3_PATTERN: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

pub struct Options {
    pub special_tokens: Vec<String>,
    /// One of the special tokens, or empty for no post-processor.
    pub bos: String,
    /// With special tokens; at least 256 more than them, since every byte is a token.
    pub vocabulary_size: usize,
    pub min_frequency: u64,
}

/// The tokenizer.json of a tokenizer trained on `texts`.
pub fn train(texts: &[String], options: &Options) -> Result<String, String> {
    let smallest = options.special_tokens.len() + 256;
    if options.vocabulary_size < smallest {
        return Err(format!(
            "vocabulary_size is {}, must be at least {smallest} (256 bytes and the special tokens)",
            options.vocabulary_size
        ));
    }
    // Counting words in parallel would start a thread pool for a second of work.
    tokenizers::utils::parallelism::set_parallelism(false);

    let mut tokenizer = Tokenizer::new(ModelWrapper::BPE(BPE::default()));
    let split = Split::new(
        SplitPattern::Regex(LLAMA3_PATTERN.to_owned()),
        SplitDelimiterBehavior::Isolated,
        false,
    )
    .map_err(|e| e.to_string())?;
    let bytes = ByteLevel::new(false, true, false);
    tokenizer.with_pre_tokenizer(Some(Sequence::new(vec![split.into(), bytes.into()])));
    tokenizer.with_decoder(Some(ByteLevelDecoder::default()));

    let specials = options
        .special_tokens
        .iter()
        .map(|t| AddedToken::from(t.clone(), true));
    let mut trainer: TrainerWrapper = BpeTrainer::builder()
        .vocab_size(options.vocabulary_size)
        .min_frequency(options.min_frequency)
        .special_tokens(specials.collect())
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .show_progress(false)
        .build()
        .into();
    tokenizer
        .train(&mut trainer, texts.iter())
        .map_err(|e| e.to_string())?;

    if !options.bos.is_empty() {
        let id = tokenizer
            .token_to_id(&options.bos)
            .filter(|_| options.special_tokens.contains(&options.bos))
            .ok_or_else(|| format!("bos \"{}\" is not one of the special tokens", options.bos))?;
        let template = TemplateProcessing::builder()
            .try_single(format!("{} $A", options.bos))
            .and_then(|b| b.try_pair(format!("{0} $A {0} $B:1", options.bos)))
            .map_err(|e| e.to_string())?
            .special_tokens(vec![(options.bos.clone(), id)])
            .build()
            .map_err(|e| e.to_string())?;
        tokenizer.with_post_processor(Some(template));
    }
    tokenizer.to_string(true).map_err(|e| e.to_string())
}
