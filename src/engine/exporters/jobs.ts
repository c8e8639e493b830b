export const exporterJobs = {};
