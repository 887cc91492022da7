import { describeJourneys } from './journeys.ts';

describeJourneys('5.0', 'light');
