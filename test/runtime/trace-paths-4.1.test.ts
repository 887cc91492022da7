import { pathPromises } from './trace-paths.ts';

pathPromises('4.1');
