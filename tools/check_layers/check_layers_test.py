#!/usr/bin/env python3
"""Plants violations in a small tree and sees that each is found, and nothing else."""

import contextlib
import io
import pathlib
import tempfile
import unittest

import check_layers

# Files that break no rule, each showing one permission.
CLEAN = {
    "base/clock.cc": '#include "base/clock.h"\nabsl::Time Now() { return absl::Now(); }\n',
    "base/clock.h": '#include <string>\n#include <sys/stat.h>\n#include "absl/time/time.h"\n',
    "base/digest.cc": "#include <openssl/evp.h>\n",
    "benchmark/metrics/membership.cc": '#include <zlib.h>\n#include "nlohmann/json.hpp"\n',
    "net/server.h": '#include <grpcpp/server.h>\n#include "rwku/v1/errors.pb.h"\n',
    "server/coordinator/coordinator_test.cc":
        '#include "gtest/gtest.h"\n#include "server/store/mem_store.h"\n#include "tests/testing/fake_clock.h"\n',
    "server/main.cc": '#include "server/store/rocks_store.h"\n#include "server/service/service.h"\n',
    "server/store/rocks_store.cc": '#include "rocksdb/db.h"\n#include "rwku/v1/resources.pb.h"\n',
    "worker/engine/engine.h": '#include "benchmark/evaluate/language_model.h"\n',
    "worker/engine/decode/sampler.cc": '#include <ATen/core/Tensor.h>\n#include "text/tokenizer.h"\n',
    "worker/job/stages.cc": '#include "worker/engine/engine.h"\n// absl::Now() is not called\n',
    "tests/e2e/demo_test.cc": '#include "server/scheduler/scheduler.h"\n#include "rocksdb/db.h"\n',
}


class CheckLayersTest(unittest.TestCase):

    def run_on(self, files):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in files.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                status = check_layers.main(["--root", folder])
            return status, out.getvalue()

    def planted(self, name, text, *expected):
        """Asserts that the clean tree with one more file has one violation, which says `expected`."""
        status, out = self.run_on({**CLEAN, name: text})
        self.assertEqual(status, 1, f"{name} passed")
        self.assertEqual(len(out.splitlines()), 1, out)
        for part in (name + ":",) + expected:
            self.assertIn(part, out)

    def test_a_clean_tree_passes(self):
        self.assertEqual(self.run_on(CLEAN), (0, ""))

    def test_an_include_upwards_is_found_with_its_line(self):
        self.planted("base/a.cc", '\n#include <string>\n#include "benchmark/dataset/probe_set.h"\n',
                     "base/a.cc:3: ", "base must not include benchmark/dataset/probe_set.h")

    def test_an_include_sideways_is_found(self):
        self.planted("benchmark/dataset/a.h", '#include "benchmark/report/report.h"\n')
        self.planted("server/coordinator/a.cc", '#include "server/store/mem_store.h"\n')
        self.planted("worker/job/a.cc", '#include "worker/engine/model/llama.h"\n')
        self.planted("client/a.cc", '#include "server/scheduler/types.h"\n')

    def test_third_party_headers_stay_in_their_rooms(self):
        self.planted("base/a.cc", "#include <openssl/evp.h>\n", "base must not include openssl")
        self.planted("benchmark/report/a.cc", '#include "google/protobuf/message.h"\n')
        self.planted("server/store/mem_store.cc", "#include <rocksdb/db.h>\n")
        self.planted("server/service/a.cc", "#include <rocksdb/db.h>\n")
        self.planted("server/scheduler/a.cc", '#include "nlohmann/json.hpp"\n')
        self.planted("worker/engine/train/a.cc", "#include <torch/csrc/distributed/c10d/Store.hpp>\n")

    def test_gtest_stays_in_tests(self):
        self.planted("net/a.cc", "#include <gtest/gtest.h>\n")

    def test_generated_code_stays_at_the_edge(self):
        self.planted("server/coordinator/a.cc", '#include "rwku/v1/resources.pb.h"\n')

    def test_the_scheduler_has_no_threads_or_clocks(self):
        self.planted("server/scheduler/a.cc", "#include <thread>\n")
        self.planted("server/scheduler/a.cc", '#include "absl/synchronization/mutex.h"\n')
        self.planted("server/scheduler/a.cc", '#include "base/clock.h"\n')

    def test_the_wall_clock_is_read_in_one_place(self):
        self.planted("worker/job/a.cc", "auto now = absl::Now();\n", "worker/job/a.cc:1: ", "wall clock")
        self.planted("client/a.cc", "\nauto t = std::chrono::system_clock::now();\n", "client/a.cc:2: ")

    def test_the_engines_interface_names_no_torch(self):
        status, out = self.run_on({"worker/engine/engine.h": "#include <torch/torch.h>\n"})
        self.assertEqual(status, 1)
        self.assertIn("worker/engine/engine.h:1: worker/engine must not include torch/torch.h", out)

    def test_torch_and_protobuf_never_meet_even_through_headers(self):
        status, out = self.run_on({
            **CLEAN, "tests/testing/model.h": "#include <ATen/ATen.h>\n",
            "tests/e2e/a_test.cc": '#include "tests/testing/model.h"\n#include "rwku/v1/resources.pb.h"\n'})
        self.assertEqual(status, 1)
        self.assertIn("tests/e2e/a_test.cc:2: brings protobuf and torch (line 1) together", out)

    def test_torch_does_not_leak_through_a_header(self):
        status, out = self.run_on({**CLEAN, "worker/engine/a.h": "#include <torch/torch.h>\n",
                                   "worker/main.cc": '#include "worker/engine/a.h"\n'})
        self.assertEqual(status, 1)
        self.assertIn("worker/main.cc:1: brings torch out of worker/engine", out)

    def test_an_unknown_header_is_named(self):
        self.planted("base/a.cc", "#include <boost/any.hpp>\n", "unknown header boost/any.hpp")
        self.planted("base/a.cc", '#include "neighbor.h"\n', "unknown header neighbor.h")

    def test_a_folder_without_a_rule_is_named(self):
        self.planted("plugins/a.cc", "#include <string>\n", "no rule in layers.json")


if __name__ == "__main__":
    unittest.main()
