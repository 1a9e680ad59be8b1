/** All experiments, in the order in which they run. */
import type { Experiment } from './bench.ts';
import { counting } from './counting/experiment.ts';

export const experiments: readonly Experiment[] = [counting];
