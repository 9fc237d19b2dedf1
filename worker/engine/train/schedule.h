// Learning rates as functions of the step.
#pragma once

namespace rwku::engine {

// transformers' get_cosine_schedule_with_warmup: linear from 0 over `warmup_steps`, then half a
// cosine to 0 at `total_steps`. `step` counts from 1 and takes the factor of transformers'
// lambda(step - 1): the first step of a warm-up has rate 0.
double CosineWithWarmup(int step, int warmup_steps, int total_steps);

// Linear warm-up (full at step `warmup_steps`) times half a cosine over all steps that ends at
// `floor`. `step` counts from 1.
double WarmupTimesCosine(int step, int warmup_steps, int total_steps, double floor);

}  // namespace rwku::engine
