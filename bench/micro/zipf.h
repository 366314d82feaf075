#pragma once

#include <cmath>
#include <cstddef>

#include "micro/world.h"

namespace quota::bench {

// Ranks 0..n-1 of which rank r comes with a frequency of 1/(r+1)^0.99, after Gray et al., "Quickly
// Generating Billion-Record Synthetic Databases". Setting up costs n powers.
class Zipf {
 public:
  explicit Zipf(size_t n) : n_(n) {
    for (size_t i = 1; i <= n; ++i) zeta_ += std::pow(static_cast<double>(i), -kTheta);
    const double zeta_2 = 1 + std::pow(2.0, -kTheta);
    eta_ = (1 - std::pow(2.0 / static_cast<double>(n), 1 - kTheta)) / (1 - zeta_2 / zeta_);
  }

  size_t next(Random& random) const {
    const double u = static_cast<double>(random.next() >> 11) * 0x1p-53;
    const double scaled = u * zeta_;
    if (scaled < 1) return 0;
    if (scaled < 1 + std::pow(0.5, kTheta)) return 1;
    const double rank = static_cast<double>(n_) * std::pow(eta_ * u - eta_ + 1, 1 / (1 - kTheta));
    return rank < static_cast<double>(n_) ? static_cast<size_t>(rank) : n_ - 1;
  }

 private:
  static constexpr double kTheta = 0.99;
  const size_t n_;
  double zeta_ = 0;
  double eta_ = 0;
};

}  // namespace quota::bench
