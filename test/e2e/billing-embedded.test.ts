import { billingPromises } from './billing.ts';

billingPromises('embedded');
