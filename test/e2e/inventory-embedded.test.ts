import { inventoryPromises } from './inventory.ts';

inventoryPromises('embedded');
