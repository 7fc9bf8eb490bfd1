//! Workloads, open-loop load, measurement, results and the comparison report
