import { procurementPromises } from './procurement.ts';

procurementPromises({ version: '5.0', engines: 'servers', kills: 20 });
