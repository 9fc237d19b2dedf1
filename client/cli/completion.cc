// rwku completion: scripts for shells, made from the commands and flags themselves.
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

#include "client/cli/command_tree.h"
#include "client/cli/exit_code.h"

namespace rwku::cli {
namespace {

// "--server", "-o", ...: the flags of `app`.
std::vector<std::string> FlagsOf(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      flags.push_back(absl::StrCat("--", name));
    }
    for (const std::string& name : option->get_snames()) {
      flags.push_back(absl::StrCat("-", name));
    }
  }
  return flags;
}

std::vector<const CLI::App*> CommandsOf(const CLI::App& root) {
  return root.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<std::string> NamesOf(const CLI::App& root) {
  std::vector<std::string> names;
  for (const CLI::App* command : CommandsOf(root)) {
    names.push_back(command->get_name());
  }
  return names;
}

// Within single quotes of bash, zsh and fish.
std::string Quoted(const std::string& text) { return absl::StrReplaceAll(text, {{"'", ""}}); }

std::string Bash(const CLI::App& root) {
  std::string script = absl::StrCat(
      "# bash completion of rwku: source <(rwku completion bash)\n_rwku() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} command= i\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case ${COMP_WORDS[i]} in\n      local) ;;\n      ",
      absl::StrJoin(NamesOf(root), "|"),
      ") command=${COMP_WORDS[i]}; break ;;\n    esac\n  done\n"
      "  local flags='",
      absl::StrJoin(FlagsOf(root), " "), "'\n  case $command in\n");
  for (const CLI::App* command : CommandsOf(root)) {
    absl::StrAppend(&script, "    ", command->get_name(), ") flags+=' ",
                    absl::StrJoin(FlagsOf(*command), " "), "' ;;\n");
  }
  absl::StrAppend(&script,
                  "  esac\n  if [[ $word == -* ]]; then\n"
                  "    COMPREPLY=($(compgen -W \"$flags\" -- \"$word\"))\n"
                  "  elif [[ -z $command ]]; then\n    COMPREPLY=($(compgen -W '",
                  absl::StrJoin(NamesOf(root), " "),
                  "' -- \"$word\"))\n  else\n    COMPREPLY=($(compgen -f -- \"$word\"))\n  fi\n}\n"
                  "complete -F _rwku rwku\n");
  return script;
}

std::string Zsh(const CLI::App& root) {
  std::string script =
      "#compdef rwku\n# zsh completion of rwku: source <(rwku completion zsh)\n_rwku() {\n"
      "  local -a commands flags\n  local command= word\n  commands=(\n";
  for (const CLI::App* command : CommandsOf(root)) {
    absl::StrAppend(&script, "    '", command->get_name(), ":",
                    absl::StrReplaceAll(Quoted(command->get_description()), {{":", "\\:"}}), "'\n");
  }
  absl::StrAppend(&script, "  )\n  flags=(", absl::StrJoin(FlagsOf(root), " "),
                  ")\n  for word in ${words[2,CURRENT-1]}; do\n    case $word in\n      local) ;;\n"
                  "      ",
                  absl::StrJoin(NamesOf(root), "|"),
                  ") command=$word; break ;;\n    esac\n  done\n  case $command in\n");
  for (const CLI::App* command : CommandsOf(root)) {
    absl::StrAppend(&script, "    ", command->get_name(), ") flags+=(",
                    absl::StrJoin(FlagsOf(*command), " "), ") ;;\n");
  }
  absl::StrAppend(&script,
                  "  esac\n  if [[ $PREFIX == -* ]]; then\n    compadd -- $flags\n"
                  "  elif [[ -z $command ]]; then\n    _describe command commands\n"
                  "  else\n    _files\n  fi\n}\ncompdef _rwku rwku\n");
  return script;
}

void FishFlags(const CLI::App& app, const std::string& condition, std::string& script) {
  for (const CLI::Option* option : app.get_options()) {
    std::string names;
    for (const std::string& name : option->get_lnames()) {
      absl::StrAppend(&names, " -l ", name);
    }
    for (const std::string& name : option->get_snames()) {
      absl::StrAppend(&names, " -s ", name);
    }
    if (!names.empty()) {
      absl::StrAppend(&script, "complete -c rwku", condition, names,
                      option->get_type_size() > 0 ? " -r" : "", " -d '",
                      Quoted(option->get_description()), "'\n");
    }
  }
}

std::string Fish(const CLI::App& root) {
  std::string script = "# fish completion of rwku: rwku completion fish | source\n";
  FishFlags(root, "", script);
  for (const CLI::App* command : CommandsOf(root)) {
    absl::StrAppend(&script, "complete -c rwku -f -n __fish_use_subcommand -a ",
                    command->get_name(), " -d '", Quoted(command->get_description()), "'\n");
    FishFlags(*command, absl::StrCat(" -n '__fish_seen_subcommand_from ", command->get_name(), "'"),
              script);
  }
  return script;
}

}  // namespace

void AddCompletion(CommandTree& tree) {
  CLI::App* app = tree.Add("completion", "Print a completion script for a shell",
                           {"source <(rwku completion bash)", "rwku completion fish | source"});
  auto shell = std::make_shared<std::string>();
  app->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  Command command;
  command.needs = Needs::kNothing;
  command.formats = {"table"};
  const CLI::App* root = &tree.app();
  command.run = [shell, root](Session& session) {
    session.out() << (*shell == "bash" ? Bash(*root) : *shell == "zsh" ? Zsh(*root) : Fish(*root));
    return kExitDone;
  };
  tree.Define(app, std::move(command));
}

}  // namespace rwku::cli
