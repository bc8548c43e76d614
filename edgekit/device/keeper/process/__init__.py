"""The worker as a process: started in its cgroup leaf, watched, restarted, ended with all that it started."""
