/** Node runs TypeScript as it is from 22.18 on. */
export const stripsTypes = 'typescript' in process.features && process.features.typescript !== false;
