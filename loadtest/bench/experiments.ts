/** All experiments, in the order in which they run. */
import type { Experiment } from './bench.ts';
import { counting } from './counting/experiment.ts';
import { many } from './many/experiment.ts';
import { memory } from './memory/experiment.ts';
import { settling } from './settling/experiment.ts';
import { stops } from './stops/experiment.ts';

export const experiments: readonly Experiment[] = [counting, stops, memory, settling, many];
