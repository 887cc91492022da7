import { pathPromises } from './trace-paths.ts';

pathPromises('5.0');
