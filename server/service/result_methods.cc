// The methods of UnlearningService that show results: tables and predictions.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "base/status_macros.h"
#include "benchmark/evaluate/score_prediction.h"
#include "benchmark/report/selection.h"
#include "net/status.h"
#include "server/service/finish.h"
#include "server/service/names.h"
#include "server/service/page.h"
#include "server/service/prediction_stream.h"
#include "server/service/predictions.h"
#include "server/service/report_convert.h"
#include "server/service/rescore.h"
#include "server/service/run_comparison.h"
#include "server/service/run_report.h"
#include "server/service/unlearning_service.h"

namespace rwku::service {
namespace {

constexpr int kPredictionsPage = 100;
constexpr size_t kMaxReportRuns = 100;

// The runs of a report, each once, in the order of the request.
absl::StatusOr<std::vector<RunId>> ReportRuns(const v1::GetReportRequest& request) {
  std::vector<RunId> runs;
  for (int i = 0; i < request.runs_size(); ++i) {
    absl::StatusOr<RunId> run = ParseRunName(request.runs(i), absl::StrCat("runs[", i, "]"));
    if (!run.ok()) {
      return run.status();
    }
    if (std::find(runs.begin(), runs.end(), *run) != runs.end()) {
      continue;
    }
    if (runs.size() == kMaxReportRuns) {
      return net::InvalidFields(
          {{"runs", absl::StrCat("found more than ", kMaxReportRuns, " runs, allowed at most ",
                                 kMaxReportRuns)}});
    }
    runs.push_back(*std::move(run));
  }
  if (runs.empty()) {
    return net::InvalidFields({{"runs", "found none, expected at least one"}});
  }
  return runs;
}

// The budget of a selection with its defaults; nullopt where none is asked for.
absl::StatusOr<std::optional<report::SelectionBudget>> BudgetOf(
    const v1::GetReportRequest& request) {
  if (!request.has_selection()) {
    return std::nullopt;
  }
  const v1::SelectionBudget& wanted = request.selection();
  report::SelectionBudget budget;
  if (wanted.has_neighbor()) {
    budget.neighbor = wanted.neighbor();
  }
  if (wanted.has_utility()) {
    budget.utility = wanted.utility();
  }
  std::vector<net::FieldError> errors;
  const auto check = [&errors](const char* field, double share) {
    if (!(share >= 0 && share <= 1)) {
      errors.push_back({field, absl::StrCat("found ", share, ", allowed 0 to 1")});
    }
  };
  check("selection.neighbor", budget.neighbor);
  check("selection.utility", budget.utility);
  if (!errors.empty()) {
    return net::InvalidFields(errors);
  }
  return budget;
}

}  // namespace

void UnlearningService::ReadOnPool(
    Context* context, Reactor* reactor,
    std::function<absl::StatusOr<std::function<void()>>(const coordinator::View&)> copy) {
  coordinator_->Read(
      [this, context, reactor,
       copy = std::move(copy)](const coordinator::View& view) -> std::function<void()> {
        return [this, context, reactor, work = copy(view)] {
          const absl::Status status = work.ok() ? pool_.Run(*work) : work.status();
          if (!status.ok()) {
            FinishWith(context, reactor, status);
          }
        };
      },
      [context, reactor](const absl::Status& status) { FinishWith(context, reactor, status); });
}

UnlearningService::Reactor* UnlearningService::GetReport(Context* context,
                                                         const v1::GetReportRequest* request,
                                                         v1::GetReportResponse* response) {
  const absl::StatusOr<std::vector<RunId>> runs = ReportRuns(*request);
  const auto budget = BudgetOf(*request);
  for (const absl::Status& status : {runs.status(), budget.status()}) {
    if (!status.ok()) {
      return Refuse(context, status);
    }
  }
  Reactor* reactor = context->DefaultReactor();
  ReadOnPool(
      context, reactor,
      [this, context, reactor, runs = *runs, details = request->details(), budget = *budget,
       response](const coordinator::View& view) -> absl::StatusOr<std::function<void()>> {
        std::vector<RunCopy> copies;
        for (const RunId& run : runs) {
          absl::StatusOr<RunCopy> copy = CopyRun(view, run);
          if (!copy.ok()) {
            return copy.status();
          }
          copies.push_back(*std::move(copy));
        }
        return [this, context, reactor, details, budget, response, copies = std::move(copies)] {
          const absl::StatusOr<report::Report> report =
              BuildReport(store_, "RWKU", copies, [context] { return context->IsCancelled(); });
          if (report.ok()) {
            const report::ReportTable& main = *report::FindTable(*report, "main");
            *response->mutable_table() = ToProto(main);
            if (budget) {
              *response->mutable_selection() = ToProto(report::Select(main, *budget));
            }
            if (details) {
              *response->mutable_report() = ToProto(*report);
            }
          }
          FinishWith(context, reactor, report.status());
        };
      });
  return reactor;
}

UnlearningService::Reactor* UnlearningService::CompareRuns(Context* context,
                                                           const v1::CompareRunsRequest* request,
                                                           v1::CompareRunsResponse* response) {
  const absl::StatusOr<RunId> base = ParseRunName(request->base(), "base");
  const absl::StatusOr<RunId> other = ParseRunName(request->other(), "other");
  for (const absl::Status& status : {base.status(), other.status()}) {
    if (!status.ok()) {
      return Refuse(context, status);
    }
  }
  Reactor* reactor = context->DefaultReactor();
  ReadOnPool(context, reactor,
             [this, context, reactor, request, response, base = *base, other = *other](
                 const coordinator::View& view) -> absl::StatusOr<std::function<void()>> {
               RWKU_ASSIGN_OR_RETURN(RunCopy first, CopyRun(view, base));
               RWKU_ASSIGN_OR_RETURN(RunCopy second, CopyRun(view, other));
               return [this, context, reactor, request, response, first = std::move(first),
                       second = std::move(second)] {
                 const auto comparisons = CompareRows(store_, first, second, request->base_recipe(),
                                                      request->other_recipe(),
                                                      [context] { return context->IsCancelled(); });
                 if (comparisons.ok()) {
                   for (const report::Comparison& comparison : *comparisons) {
                     *response->add_comparisons() = ToProto(comparison);
                   }
                 }
                 FinishWith(context, reactor, comparisons.status());
               };
             });
  return reactor;
}

UnlearningService::Reactor* UnlearningService::RescoreRun(Context* context,
                                                          const v1::RescoreRunRequest* request,
                                                          v1::RescoreRunResponse* response) {
  const absl::StatusOr<RunId> run = ParseRunName(request->name(), "name");
  if (!run.ok()) {
    return Refuse(context, run.status());
  }
  Reactor* reactor = context->DefaultReactor();
  ReadOnPool(context, reactor,
             [this, context, reactor, response,
              run = *run](const coordinator::View& view) -> absl::StatusOr<std::function<void()>> {
               RWKU_ASSIGN_OR_RETURN(RunCopy copy, CopyRun(view, run));
               return [this, context, reactor, response, copy = std::move(copy)] {
                 const absl::StatusOr<RescoreTally> tally =
                     service::RescoreRun(coordinator_, store_, *catalog_, copy,
                                         [context] { return context->IsCancelled(); });
                 if (tally.ok()) {
                   response->set_metrics_version(evaluate::kMetricsVersion);
                   response->set_jobs_changed(tally->jobs_changed);
                   response->set_jobs_unchanged(tally->jobs_unchanged);
                   response->set_predictions(tally->predictions);
                 }
                 FinishWith(context, reactor, tally.status());
               };
             });
  return reactor;
}

UnlearningService::Reactor* UnlearningService::ListPredictions(
    Context* context, const v1::ListPredictionsRequest* request,
    v1::ListPredictionsResponse* response) {
  const absl::StatusOr<PredictionParent> parent = ParsePredictionParent(request->parent());
  const absl::StatusOr<size_t> size = PageSize(request->page_size(), kPredictionsPage);
  const std::string scope =
      absl::StrCat("predictions:", request->parent(), ":", request->filter().SerializeAsString());
  const auto start = ParsePageToken(request->page_token(), scope, 2);
  for (const absl::Status& status : {parent.status(), size.status(), start.status()}) {
    if (!status.ok()) {
      return Refuse(context, status);
    }
  }
  Reactor* reactor = context->DefaultReactor();
  const PredictionPosition position{(*start)[0], (*start)[1]};
  const auto read_page = [this, context, reactor, request, response, scope, position,
                          size = *size](const std::vector<JobCopy>& jobs) {
    const absl::StatusOr<PredictionFilter> filter = ResolveFilter(request->filter(), jobs);
    if (!filter.ok()) {
      FinishWith(context, reactor, filter.status());
      return;
    }
    PredictionWalk walk(store_, FindSources(jobs, *filter), *filter, position,
                        [context] { return context->IsCancelled(); });
    size_t bytes = 0;
    // The first one beyond the page stays where it is, and tells that there is a next page.
    const absl::Status status =
        walk.Next([&](const PredictionSource& source, v1::Prediction prediction) {
          v1::PredictionRow row;
          row.set_job(JobName(source.job));
          row.set_recipe(source.recipe);
          row.set_seed(source.seed);
          *row.mutable_prediction() = std::move(prediction);
          const size_t more = row.ByteSizeLong();
          if (static_cast<size_t>(response->predictions_size()) == size ||
              (bytes > 0 && bytes + more > kPageBytes)) {
            return false;
          }
          bytes += more;
          *response->add_predictions() = std::move(row);
          return true;
        });
    if (status.ok() && !walk.done()) {
      const PredictionPosition next = walk.position();
      response->set_next_page_token(MakePageToken(scope, {next.index, next.position}));
    }
    FinishWith(context, reactor, status);
  };
  ReadOnPool(context, reactor,
             [parent = *parent,
              read_page](const coordinator::View& view) -> absl::StatusOr<std::function<void()>> {
               absl::StatusOr<std::vector<JobCopy>> jobs = CopyJobs(view, parent);
               if (!jobs.ok()) {
                 return jobs.status();
               }
               return [read_page, jobs = *std::move(jobs)] { read_page(jobs); };
             });
  return reactor;
}

grpc::ServerWriteReactor<v1::Prediction>* UnlearningService::StreamPredictions(
    Context* context, const v1::StreamPredictionsRequest* request) {
  return StartPredictionStream(context, *request, coordinator_, store_, &pool_);
}

}  // namespace rwku::service
