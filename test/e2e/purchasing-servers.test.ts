import { purchasingPromises } from './purchasing.ts';

purchasingPromises('servers');
