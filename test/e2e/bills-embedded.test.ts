import { billPromises } from './bills.ts';

billPromises('embedded');
