"""What stands in for cupyx: cuTENSOR."""
