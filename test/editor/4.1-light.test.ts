import { describeJourneys } from './journeys.ts';

describeJourneys('4.1', 'light');
