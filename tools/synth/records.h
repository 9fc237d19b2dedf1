// Utility items as the JSON records of RWKU's files.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "benchmark/dataset/utility.h"

namespace rwku::synth {

// `subject` is the target whose item it is.
nlohmann::json ToRecord(const dataset::MmluItem& item, const std::string& subject);
nlohmann::json ToRecord(const dataset::BbhItem& item, const std::string& subject);
nlohmann::json ToRecord(const dataset::TruthfulItem& item, const std::string& subject);
nlohmann::json ToRecord(const dataset::TriviaItem& item, const std::string& subject);
nlohmann::json FluencyRecord(const std::string& instruction, const std::string& subject);

}  // namespace rwku::synth
