// The figures of the service in Prometheus' text format.

#ifndef SHOAL_HTTP_METRICS_H_
#define SHOAL_HTTP_METRICS_H_

#include <string>

#include "coordinator/request_queue.h"

namespace shoal::http {

// Version 0.0.4 of the format; every name begins with "shoal_".
std::string MetricsText(const coordinator::ServiceCounters& counters,
                        coordinator::ServiceState state);

}  // namespace shoal::http

#endif  // SHOAL_HTTP_METRICS_H_
