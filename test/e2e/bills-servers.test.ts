import { billPromises } from './bills.ts';

billPromises('servers');
