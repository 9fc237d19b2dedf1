#!/usr/bin/env python3
"""Writes dashboards/*.json. The JSON is what Grafana reads; this file is what people edit.

    deploy/grafana/make_dashboards.py           writes them
    deploy/grafana/make_dashboards.py --check   exit code 1 where a file is not what it would write

Colours are those of Okabe and Ito, which colour-blind people can tell apart; good is blue and bad is vermillion, never green
and red, and states are words, too. The last letter or digit of a worker's name or a run's id chooses its colour and dashes; a recipe has
those of its method.
"""
import json
import re
import string
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "dashboards"
RUNBOOKS = "https://github.com/rwku/rwku/blob/main/docs/operations.md"

ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILLION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#999999"
GOOD, WARN, BAD = SKY, ORANGE, VERMILLION
PALETTE = [ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILLION, PURPLE, GREY]

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
DASHBOARDS = {"overview": "Overview", "runs": "Runs", "workers": "Workers", "coordinator": "Coordinator"}
FAILURES = "resource|numeric|input|internal|infrastructure"


DASHED = {"fill": "dash", "dash": [8, 6]}
# Solid, and what the eye tells apart from it and from each other.
STYLES = [None, DASHED, {"fill": "dot", "dash": [2, 8]}, {"fill": "dash", "dash": [24, 8]}, {"fill": "dash", "dash": [16, 6, 2, 6]}]


def colour(matcher, option, value, style=None):
    properties = [{"id": "color", "value": {"mode": "fixed", "fixedColor": value}}]
    if style:
        properties.append({"id": "custom.lineStyle", "value": style})
    return {"matcher": {"id": matcher, "options": option}, "properties": properties}


def by_name(**colours):
    """Fixed series: label -> colour. An underscore in a label stands for a space."""
    return [colour("byName", name.replace("_", " "), value) for name, value in colours.items()]


# worker-0, gpu1, r0000001c, rwku-worker-cpu-7d9f8b5c4-x2vwq ...: every ending has a look of its own, those of equal colour other dashes.
BY_ENDING = [colour("byRegexp", f"/[{end}{end.upper()}]$/" if end.isalpha() else f"/{end}$/", PALETTE[i % 8], STYLES[i // 8])
             for i, end in enumerate(string.digits + string.ascii_lowercase)]
# The methods' families, so that a recipe keeps its colour from run to run.
# A family's first method is solid, its variants are dashed.
FAMILIES = {"ga graddiff|kl|ga-passage": ORANGE, "npo simnpo": BLUE, "dpo undial": SKY, "rt ceu": GREEN, "rmu repe": PURPLE,
            "wga satimp": YELLOW, "memorize pt": VERMILLION, "original icu": GREY}
BY_METHOD = [colour("byRegexp", f"/^({names})( |$)/", value, DASHED if position > 0 else None)
             for family, value in FAMILIES.items() for position, names in enumerate(family.split())]
OUTCOMES = by_name(succeeded=SKY, infrastructure=YELLOW, resource=PURPLE, numeric=VERMILLION, input=ORANGE, internal=BLUE,
                   released=GREEN, cancelled=GREY)
STATES = by_name(queued=ORANGE, leased=SKY, succeeded=BLUE, failed=VERMILLION, cancelled=GREY)
STAGES = by_name(load=GREY, corpus=YELLOW, unlearn=ORANGE, evaluate=SKY, commit=PURPLE)


def steps(*pairs):
    """Thresholds: a colour, then (from, colour) ..."""
    first, *rest = pairs
    return {"mode": "absolute",
            "steps": [{"color": first, "value": None}] + [{"color": c, "value": v} for v, c in rest]}


def of_coordinator(expr):
    """`expr` with the coordinator's metrics of the chosen coordinators only."""
    return re.sub(r"\b(rwku_server_\w+)(?:\{(.*?)\})?",
                  lambda found: found[1] + "{" + ", ".join(filter(None, ('instance=~"$instance"', found[2]))) + "}", expr)


def query(expr, legend="", instant=False):
    return {"expr": of_coordinator(" ".join(expr.split())), "legendFormat": legend or "__auto", "instant": instant, "range": not instant}


def worker(expr):
    """`expr` by instance, with the worker's name and only of the chosen workers."""
    return f'({expr}) * on (instance) group_left (worker) rwku_worker_info{{worker=~"$worker"}}'


def quantile(q, metric, by="", where=""):
    return f"histogram_quantile({q}, sum by ({by + ', ' if by else ''}le) (rate({metric}_bucket{{{where}}}[$__rate_interval])))"


def link(title, url, *, icon, blank=False, keep_time=False, variables=False, tooltip=""):
    return {"type": "link", "title": title, "url": url, "icon": icon, "tags": [], "asDropdown": False, "targetBlank": blank,
            "keepTime": keep_time, "includeVars": variables, "tooltip": tooltip}


def panel(kind, title, description, queries, unit, *, width, height, overrides=(), thresholds=None, mappings=(), custom=None,
          options=None, runbook=None, color=None, minimum=None, maximum=None, decimals=None, no_value=None):
    defaults = {"unit": unit, "color": color or {"mode": "fixed", "fixedColor": SKY}, "mappings": list(mappings),
                "thresholds": thresholds or steps(GOOD), "custom": custom or {}}
    for key, value in (("min", minimum), ("max", maximum), ("decimals", decimals), ("noValue", no_value)):
        if value is not None:
            defaults[key] = value
    result = {
        "type": kind, "title": title, "description": description, "datasource": DATASOURCE,
        "targets": [dict(q, refId=chr(65 + i), datasource=DATASOURCE) for i, q in enumerate(queries)],
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "options": options or {}, "size": (width, height),
    }
    if runbook:
        result["links"] = [link(f"Runbook {name}", f"{RUNBOOKS}#{name.lower()}", icon="question", blank=True)
                           for name in runbook.split()]
    return result


def stat(title, description, expr, unit="none", *, width=4, thresholds=None, mappings=(), runbook=None, decimals=None,
         no_value=None):
    return panel("stat", title, description, [query(expr, instant=True)], unit, width=width, height=4, thresholds=thresholds,
                 mappings=mappings, runbook=runbook, decimals=decimals, no_value=no_value, color={"mode": "thresholds"},
                 options={"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value",
                          "graphMode": "none", "justifyMode": "auto", "textMode": "auto", "orientation": "auto"})


def series(title, description, queries, unit="none", *, width=12, height=8, stack=False, bars=False, line_at=None, overrides=(),
           runbook=None, minimum=0, maximum=None, legend="list"):
    custom = {"drawStyle": "bars" if bars else "line", "lineWidth": 2, "fillOpacity": 60 if bars else (30 if stack else 0),
              "showPoints": "never", "spanNulls": False, "axisSoftMin": 0,
              "stacking": {"mode": "normal" if stack else "none", "group": "A"},
              "thresholdsStyle": {"mode": "line" if line_at is not None else "off"}}
    return panel("timeseries", title, description, queries, unit, width=width, height=height, overrides=overrides, custom=custom,
                 runbook=runbook, minimum=minimum, maximum=maximum,
                 thresholds=steps("transparent", (line_at, VERMILLION)) if line_at is not None else None,
                 options={"legend": {"displayMode": legend, "placement": "bottom", "showLegend": True,
                                     "calcs": ["lastNotNull"] if legend == "table" else []},
                          "tooltip": {"mode": "multi", "sort": "desc"}})


def bars(title, description, expr, legend, unit, *, width=8, height=10, thresholds=None, overrides=(), maximum=None):
    return panel("bargauge", title, description, [query(expr, legend, instant=True)], unit, width=width, height=height,
                 thresholds=thresholds, overrides=overrides, minimum=0, maximum=maximum, color={"mode": "thresholds"},
                 options={"displayMode": "basic", "orientation": "horizontal", "showUnfilled": True, "valueMode": "color",
                          "minVizHeight": 10, "namePlacement": "left", "sizing": "auto",
                          "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}})


def row(title):
    return {"type": "row", "title": title, "collapsed": False, "panels": [], "size": (24, 1)}


def variable(name, label, metric, *, multi):
    return {"type": "query", "name": name, "label": label, "datasource": DATASOURCE, "refresh": 2, "sort": 2 if not multi else 1,
            **({"allValue": ".*"} if multi else {}),
            "query": {"query": f"label_values({metric}, {name})", "refId": name},
            "multi": multi, "includeAll": multi,
            "current": {"text": ["All"], "value": ["$__all"]} if multi else {"text": "", "value": ""}, "hide": 0, "options": []}


def dashboard(uid, description, variables, panels):
    x = y = line = 0
    placed = []
    for number, one in enumerate(panels, 1):
        width, height = one.pop("size")
        if x + width > 24:
            x, y, line = 0, y + line, 0
        placed.append(dict(one, id=number, gridPos={"x": x, "y": y, "w": width, "h": height}))
        x, line = x + width, max(line, height)
    links = [link(title, f"/d/rwku-{name}", icon="dashboard", keep_time=True, variables=True)
             for name, title in DASHBOARDS.items() if name != uid]
    links += [link("Logs", "/explore", icon="doc", keep_time=True,
                   tooltip="The daemons write one JSON object a line, with run, job and worker in it"),
              link("Runbooks", f"{RUNBOOKS}#runbooks", icon="question", blank=True)]
    return {
        "uid": f"rwku-{uid}", "title": f"rwku / {DASHBOARDS[uid]}", "description": description, "tags": ["rwku"],
        "schemaVersion": 41, "version": 1, "editable": True, "graphTooltip": 1, "refresh": "10s", "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"}, "timepicker": {}, "fiscalYearStartMonth": 0, "links": links,
        "annotations": {"list": []},
        "templating": {"list": [{"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus",
                                 "refresh": 1, "regex": "", "hide": 0, "multi": False, "includeAll": False, "options": [],
                                 "current": {"text": "Prometheus", "value": "prometheus"}}, *variables]},
        "panels": placed,
    }


# Of the server's targets. Two coordinators may have runs of one id: what is said of a run is joined by both.
COORDINATOR = variable("instance", "Coordinator", "rwku_server_build_info", multi=True)
RUN = variable("run", "Run", of_coordinator("rwku_server_run_info"), multi=False)
WORKER = variable("worker", "Worker", "rwku_worker_info", multi=True)


def overview():
    return dashboard("overview", "Is it working, how fast, and when is it done? Tokens are those of all workers.",
                     [COORDINATOR], [
        stat("Coordinator", "Whether the store is open and changes are taken.", "min(rwku_server_ready)", width=3,
             thresholds=steps(BAD, (1, GOOD)), runbook="RwkuStoreRefusesChanges RwkuNoCoordinator RwkuTargetDown", no_value="no data",
             mappings=[{"type": "value", "options": {"0": {"text": "refuses changes"}, "1": {"text": "serving"}}}]),
        stat("Alerts", "Alerts that fire.", 'count(ALERTS{alertname=~"Rwku.*", alertstate="firing"}) or vector(0)', width=3,
             thresholds=steps(GOOD, (1, BAD)),
             mappings=[{"type": "value", "options": {"0": {"text": "none"}}}]),
        stat("Workers", "Workers that are connected.", 'sum(rwku_server_workers{state=~"idle|busy|draining"})', width=3,
             thresholds=steps(BAD, (1, GOOD)), runbook="RwkuNoWorker",
             mappings=[{"type": "value", "options": {"0": {"text": "none"}}}]),
        stat("Jobs running", "Jobs that a worker or a gang holds.", 'sum(rwku_server_jobs{state="leased"})', width=3),
        stat("Jobs queued", "Jobs that wait for a worker, or for their back-off to pass.",
             'sum(rwku_server_jobs{state="queued"})', width=3, runbook="RwkuQueueStuck"),
        stat("Targets/hour", "Targets unlearned and evaluated, at the rate of the last 15 minutes.",
             "sum(rate(rwku_server_targets_done_total[15m])) * 3600", width=3, decimals=1),
        stat("All done in", "Longest expected time left of the runs that are shown; unknown until a job of each has succeeded.",
             "max(rwku_server_run_eta_seconds)", "s", width=3, no_value="unknown", decimals=1),
        stat("Failures", "Attempts of the last hour that failed, whatever the class.",
             f'sum(increase(rwku_server_attempts_total{{outcome=~"{FAILURES}"}}[1h]))', width=3, decimals=0,
             thresholds=steps(GOOD, (1, WARN), (10, BAD)), runbook="RwkuWorkerFailing"),
        series("Open jobs", "Jobs of all runs that have not ended.",
               [query('sum by (state) (rwku_server_jobs{state=~"queued|leased"})', "{{state}}")], stack=True, overrides=STATES),
        series("Targets per hour, by method", "Targets of jobs that succeeded.",
               [query("sum by (method) (rate(rwku_server_targets_done_total[$__rate_interval])) * 3600 > 0", "{{method}}")],
               overrides=BY_METHOD, stack=True),
        bars("Runs: jobs done", "Share of a run's jobs that have their result; the newest 20 runs.",
             'sum by (instance, run, name) (rwku_server_run_jobs{state="succeeded"}'
             ' * on (instance, run) group_left (name) rwku_server_run_info)'
             ' / sum by (instance, run, name) (rwku_server_run_jobs * on (instance, run) group_left (name) rwku_server_run_info)',
             "{{name}} ({{run}})", "percentunit", width=12, height=8, maximum=1),
        series("Runs: time left", "Expected time until a run ends, if its workers stay.",
               [query("rwku_server_run_eta_seconds * on (instance, run) group_left (name) rwku_server_run_info",
                      "{{name}} {{run}}")],
               "s", overrides=BY_ENDING, runbook="RwkuRunStalled"),
        series("Tokens per second", "Of all workers: forget items trained on, tokens generated, prompt tokens computed. Evaluations"
               " are counted when they end.",
               [query("sum(rate(rwku_worker_training_tokens_total[$__rate_interval]))", "trained"),
                query("sum(rate(rwku_worker_generated_tokens_total[$__rate_interval]))", "generated"),
                query("sum(rate(rwku_worker_prompt_tokens_computed_total[$__rate_interval]))", "prompt, computed")],
               overrides=[colour("byName", "trained", ORANGE), colour("byName", "generated", SKY),
                          colour("byName", "prompt, computed", PURPLE)]),
        series("Attempts per minute, by outcome", "How attempts ended.",
               [query("sum by (outcome) (rate(rwku_server_attempts_total[$__rate_interval])) * 60 > 0", "{{outcome}}")],
               bars=True, stack=True, overrides=OUTCOMES, runbook="RwkuLeaseChurn RwkuWorkerFailing"),
    ])


def runs():
    of_run = 'run=~"$run"'
    recipe = f"rwku_server_run_recipe_jobs{{{of_run}}}"
    return dashboard("runs", "One run: how far it is, and forget and neighbor by recipe as they come in.", [COORDINATOR, RUN], [
        stat("Jobs done", "Share of the run's jobs that have their result.",
             f'sum(rwku_server_run_jobs{{{of_run}, state="succeeded"}}) / sum(rwku_server_run_jobs{{{of_run}}})', "percentunit",
             decimals=0),
        stat("Time left", "Expected, if its workers stay; unknown until a job has succeeded.",
             f"max(rwku_server_run_eta_seconds{{{of_run}}})", "s", no_value="unknown", decimals=1, runbook="RwkuRunStalled"),
        stat("Age", "Since it was submitted.", f"time() - max(rwku_server_run_created_timestamp_seconds{{{of_run}}})", "s",
             decimals=1),
        stat("Running", "Jobs that a worker or a gang holds.", f'sum(rwku_server_run_jobs{{{of_run}, state="leased"}})'),
        stat("Queued", "Jobs that wait.", f'sum(rwku_server_run_jobs{{{of_run}, state="queued"}})', runbook="RwkuQueueStuck"),
        stat("Failed", "Jobs without a result: missing from the tables, never a score.",
             f'sum(rwku_server_run_jobs{{{of_run}, state="failed"}})', thresholds=steps(GOOD, (1, BAD)),
             mappings=[{"type": "value", "options": {"0": {"text": "none"}}}]),
        series("Jobs by state", "From queued to their end.",
               [query(f"sum by (state) (rwku_server_run_jobs{{{of_run}}})", "{{state}}")], stack=True, overrides=STATES),
        series("Time left", "Expected time until the run ends.",
               [query(f"max(rwku_server_run_eta_seconds{{{of_run}}})", "time left")], "s", overrides=by_name(time_left=SKY)),
        bars("Jobs done, by recipe", "Share of a recipe's jobs that have their result.",
             f"sum by (recipe) (rwku_server_run_recipe_jobs_succeeded{{{of_run}}}) / sum by (recipe) ({recipe})", "{{recipe}}",
             "percentunit", maximum=1),
        bars("Forget, so far (lower is better)", "ROUGE-L recall on forget probes: mean over probes, then over the targets that"
             " are done. The main table's Forget All / 100.",
             f'sort(rwku_server_run_recipe_rouge_ratio{{{of_run}, side="forget"}})', "{{recipe}}", "percentunit",
             thresholds=steps(ORANGE), maximum=1),
        bars("Neighbor, so far (higher is better)", "ROUGE-L recall on neighbor probes: mean over probes, then over the targets"
             " that are done. The main table's Neighbor All / 100.",
             f'sort_desc(rwku_server_run_recipe_rouge_ratio{{{of_run}, side="neighbor"}})', "{{recipe}}", "percentunit",
             thresholds=steps(SKY), maximum=1),
        series("Forget as it comes in", "The figures above over time. They settle as targets are done.",
               [query(f'rwku_server_run_recipe_rouge_ratio{{{of_run}, side="forget"}}', "{{recipe}}")], "percentunit", height=10,
               overrides=BY_METHOD, maximum=1, legend="table"),
        series("Neighbor as it comes in", "The figures above over time. They settle as targets are done.",
               [query(f'rwku_server_run_recipe_rouge_ratio{{{of_run}, side="neighbor"}}', "{{recipe}}")], "percentunit", height=10,
               overrides=BY_METHOD, maximum=1, legend="table"),
    ])


def workers():
    def rate(metric):
        return worker(f"sum by (instance) (rate({metric}[$__rate_interval]))")

    chosen = 'rwku_worker_info{worker=~"$worker"}'
    return dashboard("workers", "What each worker does, how fast, with how much memory, and how it fails.", [WORKER], [
        stat("Connected", "Chosen workers that a coordinator has welcomed.",
             f"sum(rwku_worker_connected * on (instance) {chosen})", thresholds=steps(BAD, (1, GOOD)),
             runbook="RwkuWorkerDisconnected"),
        stat("Busy", "Chosen workers with an attempt under way.",
             f"sum(sum by (instance) (rwku_worker_stage) * on (instance) {chosen})"),
        stat("Draining", "Workers that take no new leases.", f"sum(rwku_worker_draining * on (instance) {chosen})",
             thresholds=steps(GOOD, (1, WARN))),
        stat("Targets done", "Since the workers started.",
             f"sum(sum by (instance) (rwku_worker_targets_done_total) * on (instance) {chosen})"),
        stat("Failed attempts", "Attempts of the last hour that failed.",
             f'sum(sum by (instance) (increase(rwku_worker_attempts_total{{outcome=~"{FAILURES}"}}[1h])) * on (instance) {chosen})',
             decimals=0, thresholds=steps(GOOD, (1, WARN), (10, BAD)), runbook="RwkuWorkerFailing"),
        stat("Reference cache hits", "Share of the texts of npo and dpo whose loss under the original model was known.",
             "sum(rwku_worker_reference_cache_hits_total)"
             " / (sum(rwku_worker_reference_cache_hits_total) + sum(rwku_worker_reference_cache_misses_total))",
             "percentunit", decimals=0, no_value="none asked"),
        row("Throughput"),
        series("Training tokens per second", "Forget items trained on, labelled or not.",
               [query(rate("rwku_worker_training_tokens_total"), "{{worker}}")], overrides=BY_ENDING),
        series("Generated tokens per second", "Counted when an evaluation ends.",
               [query(rate("rwku_worker_generated_tokens_total"), "{{worker}}")], overrides=BY_ENDING),
        series("Prompt tokens per second", "Computed, and not computed since sequences share a prefix.",
               [query("sum(rate(rwku_worker_prompt_tokens_computed_total[$__rate_interval]))", "computed"),
                query("sum(rate(rwku_worker_prompt_tokens_shared_total[$__rate_interval]))", "shared")], width=8, stack=True,
               overrides=by_name(computed=ORANGE, shared=SKY)),
        series("Optimizer step", "Time of a step, of all workers.",
               [query(quantile(0.5, "rwku_worker_training_step_duration_seconds"), "median"),
                query(quantile(0.95, "rwku_worker_training_step_duration_seconds"), "95th percentile")], "s", width=8,
               overrides=[colour("byName", "median", SKY), colour("byName", "95th percentile", ORANGE, DASHED)]),
        series("Stage of the attempts", "Workers in each stage.",
               [query("sum by (stage) (rwku_worker_stage)", "{{stage}}")], width=8, stack=True, overrides=STAGES),
        row("Training"),
        series("Loss", "Of the newest step. Below 0 and falling where the method ascends.",
               [query(worker("rwku_worker_training_loss"), "{{worker}}")], width=8, overrides=BY_ENDING, minimum=None),
        series("Gradient norm", "Global L2 norm of the newest step, before clipping.",
               [query(worker("rwku_worker_training_gradient_norm"), "{{worker}}")], width=8, overrides=BY_ENDING),
        series("Mean time in a stage", "Over the attempts that left it within the interval.",
               [query("sum by (stage) (rate(rwku_worker_stage_duration_seconds_sum[$__rate_interval]))"
                      " / sum by (stage) (rate(rwku_worker_stage_duration_seconds_count[$__rate_interval]))", "{{stage}}")],
               "s", width=8, overrides=STAGES),
        row("Memory and device"),
        series("Resident memory", "Of the worker's process.",
               [query(worker("process_resident_memory_bytes"), "{{worker}}")], "bytes", width=8, overrides=BY_ENDING),
        series("CPU", "Cores in use by the worker's process.",
               [query(worker("rate(process_cpu_seconds_total[$__rate_interval])"), "{{worker}}")], width=8, overrides=BY_ENDING),
        series("Memory of the newest training", "What its plan needed, by part; the largest of the chosen workers.",
               [query(f'max by (part) (rwku_worker_memory_plan_bytes{{part!="available"}} * on (instance) group_left () {chosen})',
                      "{{part}}")], "bytes", width=8, stack=True,
               overrides=by_name(weights=BLUE, gradients=ORANGE, optimizer=SKY, activations=PURPLE, logits=YELLOW, workspace=GREY)),
        series("GPU memory in use", "Share of the device, by every process on it. No series without NVML.",
               [query(worker("rwku_worker_device_memory_used_bytes / rwku_worker_device_memory_size_bytes"), "{{worker}}")],
               "percentunit", maximum=1, overrides=BY_ENDING),
        series("GPU utilisation", "Share of the driver's newest sample with work on the device. No series without NVML.",
               [query(worker("rwku_worker_device_utilization_ratio"), "{{worker}}")], "percentunit", maximum=1, overrides=BY_ENDING),
        row("Attempts"),
        series("Attempts per minute, by outcome", "How attempts ended on the workers; cancelled = told to stop, or given back.",
               [query("sum by (outcome) (rate(rwku_worker_attempts_total[$__rate_interval])) * 60 > 0", "{{outcome}}")],
               bars=True, stack=True, overrides=OUTCOMES, runbook="RwkuWorkerFailing"),
        series("Model loads per hour", "Models read from disk: jobs that find their model resident add none.",
               [query(worker("sum by (instance) (rate(rwku_worker_model_loads_total[$__rate_interval]))") + " * 3600",
                      "{{worker}}")], overrides=BY_ENDING),
    ])


def coordinator():
    expiry = "(rwku_server_certificate_expiry_timestamp_seconds or rwku_worker_certificate_expiry_timestamp_seconds) - time()"
    return dashboard("coordinator", "The queue, the commits behind every answer, the store, and the calls.", [COORDINATOR], [
        stat("Changes", "Whether the store takes them.", "min(rwku_server_ready)", width=3, thresholds=steps(BAD, (1, GOOD)),
             runbook="RwkuStoreRefusesChanges", no_value="no data",
             mappings=[{"type": "value", "options": {"0": {"text": "refused"}, "1": {"text": "taken"}}}]),
        stat("Queue age", "Age of the oldest run that has queued jobs.", "max(rwku_server_queue_oldest_age_seconds)", "s",
             width=3, decimals=1),
        stat("Free room", "Room for the store; it stops taking changes at 128 MiB.",
             "min(rwku_server_volume_free_bytes)", "bytes", width=3, thresholds=steps(BAD, (1e9, WARN), (1e10, GOOD)),
             runbook="RwkuDiskFilling", decimals=1),
        stat("Store", "Data files in use and writes in memory.",
             "sum(rwku_server_store_live_bytes) + sum(rwku_server_store_memtable_bytes)", "bytes", width=3, decimals=1),
        stat("Watchers", "Open watch streams.", "sum(rwku_server_watch_streams)", width=3),
        stat("Worker streams", "Open streams of workers.", 'sum(rwku_server_rpc_in_flight{rpc="WorkerService/Connect"})', width=3),
        stat("Certificate", "Time until the first certificate ends: the one of server or workers that ends first; none without TLS.", f"min({expiry})", "s",
             width=3, no_value="no TLS", decimals=1, thresholds=steps(BAD, (7 * 86400, WARN), (14 * 86400, GOOD)),
             runbook="RwkuCertificateExpiring"),
        stat("Version", "Of the server's binary.", "count by (version) (rwku_server_build_info)", width=3)
        | {"options": {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value",
                       "graphMode": "none", "justifyMode": "auto", "textMode": "name", "orientation": "auto"}},
        row("Queue and leases"),
        series("Jobs by state", "Open jobs of all runs.",
               [query('sum by (state) (rwku_server_jobs{state=~"queued|leased"})', "{{state}}")], width=6, stack=True,
               overrides=STATES, runbook="RwkuQueueStuck"),
        series("Leases per minute", "Granted, run out without a heartbeat, and messages about leases that were over.",
               [query("sum(rate(rwku_server_leases_granted_total[$__rate_interval])) * 60", "granted"),
                query("sum(rate(rwku_server_leases_expired_total[$__rate_interval])) * 60", "expired"),
                query("sum(rate(rwku_server_leases_refused_total[$__rate_interval])) * 60", "refused"),
                query("sum(rate(rwku_server_gangs_formed_total[$__rate_interval])) * 60", "gangs formed"),
                query("sum(rate(rwku_server_gangs_broken_total[$__rate_interval])) * 60", "gangs broken")], width=6,
               overrides=by_name(granted=SKY, expired=VERMILLION, refused=ORANGE, gangs_formed=BLUE, gangs_broken=PURPLE),
               runbook="RwkuLeaseChurn"),
        series("Workers by state", "As the coordinator sees them.",
               [query("sum by (state) (rwku_server_workers)", "{{state}}")], width=6, stack=True,
               overrides=by_name(idle=SKY, busy=BLUE, draining=ORANGE, disconnected=VERMILLION), runbook="RwkuNoWorker"),
        series("Workers wanted", "By the open jobs, each by its ranks; by the largest of them, which waits for so many at once.",
               [query("sum(rwku_server_workers_wanted)", "by all jobs"),
                query("max(rwku_server_workers_wanted_at_once)", "by the largest")], width=6,
               overrides=by_name(by_all_jobs=SKY, by_the_largest=ORANGE), runbook="RwkuQueueStuck"),
        row("Commits and the store"),
        series("Commit time", "A synced write; every answer waits for one. The line is the alert's.",
               [query(quantile(0.5, "rwku_server_commit_duration_seconds"), "median"),
                query(quantile(0.99, "rwku_server_commit_duration_seconds"), "99th percentile")], "s", width=8, line_at=0.5,
               overrides=[colour("byName", "median", SKY), colour("byName", "99th percentile", ORANGE, DASHED)],
               runbook="RwkuCommitSlow"),
        series("Commits per second, and what they take together", "Group commit: transitions of one write.",
               [query("sum(rate(rwku_server_commit_duration_seconds_count[$__rate_interval]))", "commits per second"),
                query("sum(rate(rwku_server_commit_batch_size_sum[$__rate_interval]))"
                      " / sum(rate(rwku_server_commit_batch_size_count[$__rate_interval]))", "mean batch"),
                query("sum(rate(rwku_server_commit_failures_total[$__rate_interval]))", "failed per second")], width=8,
               overrides=by_name(commits_per_second=SKY, mean_batch=ORANGE, failed_per_second=VERMILLION)),
        series("Predictions stored per second", "Those of attempts that fail later among them.",
               [query("sum(rate(rwku_server_predictions_stored_total[$__rate_interval]))", "predictions")], width=8,
               overrides=by_name(predictions=SKY)),
        series("Size of the store", "Data files, writes in memory, and what waits to be compacted.",
               [query("sum(rwku_server_store_files_bytes)", "files"), query("sum(rwku_server_store_memtable_bytes)", "in memory"),
                query("sum(rwku_server_store_pending_compaction_bytes)", "to be compacted")], "bytes", width=8,
               overrides=by_name(files=BLUE, in_memory=SKY, to_be_compacted=ORANGE)),
        series("Free room on the volume", "Share of the volume that the store lies on. The line is the alert's.",
               [query("rwku_server_volume_free_bytes / rwku_server_volume_size_bytes", "free")], "percentunit", width=8, maximum=1,
               line_at=0.1, overrides=by_name(free=SKY), runbook="RwkuDiskFilling"),
        series("Stalls and errors", "Times that RocksDB held writers back, and errors of its flushes and compactions, per minute.",
               [query("sum(rate(rwku_server_store_write_stalls_total[$__rate_interval])) * 60", "stalls"),
                query("sum(rate(rwku_server_store_background_errors_total[$__rate_interval])) * 60", "errors"),
                query("max(rwku_server_store_writes_stopped)", "stopped now")], width=8,
               overrides=by_name(stalls=ORANGE, errors=VERMILLION, stopped_now=PURPLE)),
        row("Calls"),
        series("Calls per second", "The busiest ten; a stream counts when it begins.",
               [query("topk(10, sum by (rpc) (rate(rwku_server_rpc_started_total[$__rate_interval])) > 0)", "{{rpc}}")], width=8,
               overrides=RPCS, legend="table", height=10),
        series("Calls that did not end with OK, per second", "By status code; CANCELLED is a client that left, e.g. a watch.",
               [query('sum by (code) (rate(rwku_server_rpc_handled_total{code!="OK"}[$__rate_interval])) > 0', "{{code}}")],
               width=8, overrides=CODES, legend="table", height=10),
        series("Time of calls, 99th percentile", "Calls that are no streams; the slowest ten.",
               [query(f"topk(10, {quantile(0.99, 'rwku_server_rpc_duration_seconds', by='rpc')} > 0)", "{{rpc}}")], "s", width=8,
               overrides=RPCS, legend="table", height=10),
        row("Process"),
        series("CPU", "Cores in use.", [query('rate(process_cpu_seconds_total[$__rate_interval])'
                                              ' * on (instance) group_left () rwku_server_build_info', "cores")],
               width=8, overrides=by_name(cores=SKY)),
        series("Resident memory", "Of the server's process.",
               [query("process_resident_memory_bytes * on (instance) group_left () rwku_server_build_info", "memory")], "bytes",
               width=8, overrides=by_name(memory=SKY)),
        series("Open files", "Against what the system allows.",
               [query("process_open_fds / process_max_fds * on (instance) group_left () rwku_server_build_info", "open")],
               "percentunit", width=8, maximum=1, overrides=by_name(open=SKY)),
    ])


# The calls that are made most; the others share a grey.
RPCS = [colour("byRegexp", f"/{name}$/", value) for name, value in
        (("CreateRun", ORANGE), ("GetRun", SKY), ("WatchRun", GREEN), ("ListJobs", YELLOW), ("GetReport", BLUE),
         ("Connect", VERMILLION), ("ListWorkers", PURPLE))]
CODES = by_name(CANCELLED=GREY, NOT_FOUND=SKY, INVALID_ARGUMENT=ORANGE, UNAVAILABLE=VERMILLION, UNAUTHENTICATED=PURPLE,
                PERMISSION_DENIED=YELLOW, RESOURCE_EXHAUSTED=BLUE, FAILED_PRECONDITION=GREEN)


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit('make_dashboards.py: unknown arguments; allowed: --check')
    stale = []
    for name, make in (("overview", overview), ("runs", runs), ("workers", workers), ("coordinator", coordinator)):
        path = FOLDER / f"{name}.json"
        text = json.dumps(make(), indent=1) + "\n"
        if check and (not path.exists() or path.read_text() != text):
            stale.append(path.name)
        elif not check:
            path.write_text(text)
    if stale:
        sys.exit(f"make_dashboards.py: not up to date: {', '.join(stale)}; run deploy/grafana/make_dashboards.py")


if __name__ == "__main__":
    main()
