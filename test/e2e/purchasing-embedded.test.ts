import { purchasingPromises } from './purchasing.ts';

purchasingPromises('embedded');
