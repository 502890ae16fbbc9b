// The Wilson score interval of a share (Wilson 1927), for accuracies.

/** The 0.975 quantile of the standard normal distribution. */
const Z_95 = 1.959963984540054;

/**
 * The 95 % interval of the share `successes / trials`; [0, 1] without any trial.
 * @example wilsonInterval(5, 10) // [0.2366, 0.7634]
 */
export function wilsonInterval(successes: number, trials: number): [low: number, high: number] {
  if (trials === 0) return [0, 1];
  const share = successes / trials;
  const z2 = Z_95 * Z_95;
  const centre = (share + z2 / (2 * trials)) / (1 + z2 / trials);
  const half =
    (Z_95 / (1 + z2 / trials)) * Math.sqrt((share * (1 - share)) / trials + z2 / (4 * trials * trials));
  return [successes === 0 ? 0 : centre - half, successes === trials ? 1 : centre + half];
}
