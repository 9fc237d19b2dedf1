#include "server/service/target_groups.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace rwku::service {
namespace {

constexpr int kMaxSelectors = 10000;
constexpr int kMaxGroups = 1000;
constexpr size_t kMaxGroupName = 200;
constexpr size_t kLongGroupName = 40;

using Targets = std::vector<const dataset::TargetInfo*>;

std::string NameOf(const Targets& targets) {
  std::vector<int> numbers;
  numbers.reserve(targets.size());
  for (const dataset::TargetInfo* target : targets) {
    numbers.push_back(target->number);
  }
  return GroupName(numbers);
}

// The groups that the request names, or its targets as the only one.
std::vector<JobTargets> ChooseGroups(const dataset::Dataset& data, const v1::RunSpec& spec,
                                     const ErrorSink& error) {
  std::vector<JobTargets> groups;
  if (spec.groups().empty()) {
    Targets targets = SelectTargets(data, spec.targets(), "spec.targets", error);
    if (!targets.empty()) {
      std::string name = NameOf(targets);
      groups.push_back({std::move(name), 0, std::move(targets)});
    }
    return groups;
  }
  if (spec.groups_size() > kMaxGroups) {
    error("spec.groups",
          absl::StrCat("found ", spec.groups_size(), ", allowed at most ", kMaxGroups));
    return groups;
  }
  std::map<std::string, int> names;
  for (int i = 0; i < spec.groups_size(); ++i) {
    const v1::TargetGroup& group = spec.groups(i);
    const std::string field = absl::StrCat("spec.groups[", i, "]");
    if (group.targets().empty()) {
      error(absl::StrCat(field, ".targets"), "found none, expected at least one");
      continue;
    }
    Targets targets = SelectTargets(data, group.targets(), absl::StrCat(field, ".targets"), error);
    if (targets.empty()) {
      continue;
    }
    std::string name = group.name().empty() ? NameOf(targets) : group.name();
    if (name.size() > kMaxGroupName) {
      error(absl::StrCat(field, ".name"),
            absl::StrCat("found ", name.size(), " bytes, allowed at most ", kMaxGroupName));
    }
    if (const auto [known, is_new] = names.emplace(name, i); !is_new) {
      error(absl::StrCat(field, ".name"),
            absl::StrCat("\"", name, "\" is the name of groups[", known->second,
                         "], too; tables tell groups apart by it, so give each its own"));
    }
    groups.push_back({std::move(name), 0, std::move(targets)});
  }
  return groups;
}

// Every target of `choice` once, by number.
Targets Union(const std::vector<JobTargets>& choice) {
  std::map<int, const dataset::TargetInfo*> all;
  for (const JobTargets& targets : choice) {
    for (const dataset::TargetInfo* target : targets.targets) {
      all.emplace(target->number, target);
    }
  }
  Targets targets;
  for (const auto& [number, target] : all) {
    targets.push_back(target);
  }
  return targets;
}

}  // namespace

Targets SelectTargets(const dataset::Dataset& data,
                      const google::protobuf::RepeatedPtrField<std::string>& selectors,
                      const std::string& field, const ErrorSink& error) {
  if (selectors.size() > kMaxSelectors) {
    error(field,
          absl::StrCat("found ", selectors.size(), " selectors, allowed at most ", kMaxSelectors));
    return {};
  }
  bool good = true;
  for (int i = 0; i < selectors.size(); ++i) {
    const std::vector<std::string> one = {selectors[i]};
    if (const auto selected = data.Select(one); !selected.ok()) {
      error(absl::StrCat(field, "[", i, "]"), std::string(selected.status().message()));
      good = false;
    }
  }
  if (!good) {
    return {};
  }
  const std::vector<std::string> all(selectors.begin(), selectors.end());
  auto selected = data.Select(all);
  if (!selected.ok() || selected->empty()) {
    error(field,
          selected.ok() ? "the dataset has no targets" : std::string(selected.status().message()));
    return {};
  }
  return *std::move(selected);
}

std::string GroupName(absl::Span<const int> numbers) {
  std::string name;
  size_t i = 0;
  while (i < numbers.size()) {
    if (name.size() > kLongGroupName) {
      return absl::StrCat(name, " and ", numbers.size() - i, " more");
    }
    size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) {
      ++last;
    }
    absl::StrAppend(&name, name.empty() ? "" : ",", numbers[i]);
    if (last > i) {
      absl::StrAppend(&name, "-", numbers[last]);
    }
    i = last + 1;
  }
  return name;
}

std::vector<JobTargets> ChooseTargets(const dataset::Dataset& data, v1::RunSpec* spec,
                                      const ErrorSink& error) {
  bool good = true;
  const ErrorSink noted = [&](std::string field, std::string description) {
    good = false;
    error(std::move(field), std::move(description));
  };
  if (spec->target_mode() == v1::TARGET_MODE_UNSPECIFIED) {
    spec->set_target_mode(v1::TARGET_MODE_SINGLE);
  }
  const bool single = spec->target_mode() == v1::TARGET_MODE_SINGLE;
  if (!v1::TargetMode_IsValid(spec->target_mode())) {
    noted("spec.target_mode",
          absl::StrCat("found ", static_cast<int>(spec->target_mode()),
                       ", expected one of TARGET_MODE_SINGLE, _BATCH, _SEQUENTIAL"));
    return {};
  }
  std::vector<JobTargets> choice;
  if (single) {
    if (!spec->groups().empty()) {
      noted("spec.groups", absl::StrCat("found ", spec->groups_size(),
                                        " groups, allowed none with TARGET_MODE_SINGLE; set "
                                        "spec.target_mode to TARGET_MODE_BATCH or _SEQUENTIAL"));
    }
    for (const dataset::TargetInfo* target :
         SelectTargets(data, spec->targets(), "spec.targets", noted)) {
      choice.push_back({target->name, target->number, {target}});
    }
  } else {
    choice = ChooseGroups(data, *spec, noted);
  }
  const Targets all = Union(choice);
  // A spec that an answer held has both: the targets are those of the groups.
  if (good && !spec->groups().empty() && !spec->targets().empty()) {
    const Targets named = SelectTargets(data, spec->targets(), "spec.targets", noted);
    if (good && named != all) {
      noted("spec.targets",
            "are not the targets of spec.groups; leave them out, the groups name them");
    }
  }
  if (!good) {
    return {};
  }
  spec->clear_targets();
  for (const dataset::TargetInfo* target : all) {
    spec->add_targets(target->name);
  }
  spec->clear_groups();
  for (const JobTargets& targets : choice) {
    if (single) {
      break;
    }
    v1::TargetGroup* group = spec->add_groups();
    group->set_name(targets.name);
    for (const dataset::TargetInfo* target : targets.targets) {
      group->add_targets(target->name);
    }
  }
  return choice;
}

std::vector<v1::JobTarget> TargetsOf(const v1::JobSpec& spec) {
  if (!spec.targets().empty()) {
    return {spec.targets().begin(), spec.targets().end()};
  }
  v1::JobTarget target;
  target.set_name(spec.target());
  target.set_number(spec.target_number());
  return {std::move(target)};
}

bool IsGroup(const v1::JobSpec& spec) {
  return spec.target_mode() == v1::TARGET_MODE_BATCH ||
         spec.target_mode() == v1::TARGET_MODE_SEQUENTIAL;
}

}  // namespace rwku::service
