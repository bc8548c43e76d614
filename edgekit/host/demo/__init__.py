"""What the demo of gate-watch needs beside a board: cameras and a broker on this machine, for as long as it runs."""
