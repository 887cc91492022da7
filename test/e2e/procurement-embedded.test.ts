import { procurementPromises } from './procurement.ts';

procurementPromises({ version: '5.0', engines: 'embedded', kills: 20 });
