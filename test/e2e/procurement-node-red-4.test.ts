import { procurementPromises } from './procurement.ts';

procurementPromises({ version: '4.1', engines: 'embedded', kills: 20 });
