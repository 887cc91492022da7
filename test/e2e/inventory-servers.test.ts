import { inventoryPromises } from './inventory.ts';

inventoryPromises('servers');
