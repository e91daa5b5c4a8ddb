"""An i5/OS partition that an HMC reaches IBM through: L2TP on both sides, IPsec, a modem."""
