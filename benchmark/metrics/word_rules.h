// Words of one sentence by the rules of NLTK 3.9.2's NLTKWordTokenizer, a Penn Treebank tokenizer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rwku::metrics {

// The words of `sentence` in order, UTF-8, none empty. Double quotes come back as `` and ''.
// Takes linear time.
std::vector<std::string> SentenceWords(std::u32string_view sentence);

}  // namespace rwku::metrics
