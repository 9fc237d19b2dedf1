// rwku-conformance: convinces a user that our metrics are the reference's.
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>

#include "absl/strings/str_format.h"
#include <CLI/CLI.hpp>

#include "tools/conformance/conformance.h"

namespace {

namespace fs = std::filesystem;
using rwku::conformance::Figure;

int Fail(const absl::Status& status) {
  std::cerr << "error: " << status.message() << "\n";
  return absl::IsNotFound(status) || absl::IsInvalidArgument(status) ? 2 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Computes every figure of the reference's result files with our metrics and compares.\n"
      "Exit codes: 0 every figure agrees within 1e-12, 1 one does not, 2 usage.\n\n"
      "Example:\n"
      "  rwku-conformance results/1_Stephen_King --dataset rwku/Target/1_Stephen_King --punkt "
      "nltk_data/tokenizers/punkt_tab/english");
  app.set_version_flag("--version", std::string(RWKU_VERSION));
  std::string folder;
  std::string texts;
  std::string punkt;
  bool all = false;
  app.add_option("DIR", folder, "Folder of result files")->required();
  app.add_option("--dataset", texts,
                 "The target's folder of the dataset, for the texts that Zlib needs");
  app.add_option("--punkt", punkt, "NLTK's Punkt parameters, for the entropy of fluency");
  app.add_flag("--all", all, "Print figures that agree, too");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  auto words = punkt.empty() ? absl::StatusOr<rwku::metrics::WordTokenizer>(
                                   rwku::metrics::WordTokenizer::WithoutPunkt())
                             : rwku::metrics::WordTokenizer::Load(punkt);
  if (!words.ok()) {
    return Fail(words.status());
  }
  const auto findings = rwku::conformance::Check(
      folder, {*std::move(words), texts.empty() ? std::nullopt : std::optional<fs::path>(texts)});
  if (!findings.ok()) {
    return Fail(findings.status());
  }
  size_t different = 0;
  for (const Figure& figure : findings->figures) {
    const bool agrees = rwku::conformance::Agrees(figure);
    different += agrees ? 0 : 1;
    if (!agrees || all) {
      std::cout << absl::StrFormat(
          "%-9s %s: %s: reference %.17g, ours %s\n", agrees ? "equal" : "DIFFERENT", figure.file,
          figure.name, figure.reference,
          figure.ours ? absl::StrFormat("%.17g", *figure.ours) : "missing");
    }
  }
  for (const std::string& gap : findings->unchecked) {
    std::cout << "unchecked " << gap << "\n";
  }
  std::cout << findings->figures.size() << " figures, " << different << " different\n";
  return different == 0 ? 0 : 1;
}
