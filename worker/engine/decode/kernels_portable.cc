#define RWKU_KERNELS_NAME "portable"
#define RWKU_KERNELS_ACCESSOR PortableKernels
#include "worker/engine/decode/kernels_impl.h"
