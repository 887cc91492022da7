import { billingPromises } from './billing.ts';

billingPromises('servers');
